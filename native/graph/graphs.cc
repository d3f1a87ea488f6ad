// CUDA graphs for JavaScript: through libtorch's device-neutral class if CUDA has registered with it, otherwise through
// the shim.
#include <dlfcn.h>

#include <memory>

#include "../cuda/cuda.h"
#include "../environment.h"
#include "graph.h"

#if __has_include(<ATen/accelerator/Graph.h>)
#include <ATen/accelerator/Graph.h>
#define TESSERA_NEUTRAL_GRAPH
#endif

namespace tessera {

namespace {

#ifdef TESSERA_NEUTRAL_GRAPH
struct NeutralGraph final : Graph {
  // Exists only in versions in which generators register themselves.
  void registerGenerator(const at::Generator&) override {}
  void begin(c10::MempoolId_t pool) override { graph.capture_begin(pool, at::GraphCaptureMode::ThreadLocal); }
  void end() override { graph.capture_end(); }
  void replay() override { graph.replay(); }
  void reset() override { graph.reset(); }
  c10::MempoolId_t pool() override { return graph.pool(); }

  at::accelerator::Graph graph;
};
#endif

using MakeGraph = Graph* (*)();
MakeGraph makeGraph = nullptr;

template <class Function>
Function symbol(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) throw Fault("NotImplemented", std::string("it has no ") + name);
  return reinterpret_cast<Function>(found);
}

// openGraphs(path of the shim, version of libtorch): throws if neither way to capture is available.
void openGraphs(const Napi::CallbackInfo& info) {
  const std::string path = textArgument(info, 0);
#ifdef TESSERA_NEUTRAL_GRAPH
  if (at::has_graph_impl(c10::DeviceType::CUDA)) {
    makeGraph = [] { return static_cast<Graph*>(new NeutralGraph()); };
    return;
  }
#endif
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Fault("NotImplemented", dlerror());
  const std::string against = symbol<decltype(&tesseraGraphBuiltAgainst)>(library, "tesseraGraphBuiltAgainst")();
  if (against != textArgument(info, 1)) throw Fault("NotImplemented", "it was built against libtorch " + against);
  makeGraph = symbol<MakeGraph>(library, "tesseraNewGraph");
}

Graph& graphArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsExternal()) throw Fault("Argument", "expected a graph");
  return *info[index].As<Napi::External<Graph>>().Data();
}

// newGraph() -> a graph, destroyed with its JavaScript object
Napi::Value newGraph(const Napi::CallbackInfo& info) {
  if (makeGraph == nullptr) throw Fault("NotImplemented", "call openGraphs first");
  return Napi::External<Graph>::New(info.Env(), makeGraph(), [](Napi::Env, Graph* graph) { delete graph; });
}

// registerGenerator(graph, generator)
void registerGenerator(const Napi::CallbackInfo& info) {
  const size_t index = static_cast<size_t>(numberArgument(info, 1));
  const std::vector<at::Generator>& generators = environmentOf(info).generators;
  if (index >= generators.size()) throw Fault("Foreign", "the generator belongs to another thread");
  graphArgument(info, 0).registerGenerator(generators[index]);
}

// beginCapture(graph, another graph, whose memory is shared, or null)
void beginCapture(const Napi::CallbackInfo& info) {
  c10::MempoolId_t pool{0, 0};
  if (info[1].IsExternal()) pool = graphArgument(info, 1).pool();
  const DefaultGenerators mine;  // the generators that the work draws from must be known in advance
  graphArgument(info, 0).begin(pool);
}
void endCapture(const Napi::CallbackInfo& info) { graphArgument(info, 0).end(); }
void replayGraph(const Napi::CallbackInfo& info) { graphArgument(info, 0).replay(); }
void resetGraph(const Napi::CallbackInfo& info) { graphArgument(info, 0).reset(); }

}  // namespace

void exportGraphs(Exports& exports) {
  exports.add<openGraphs>("openGraphs");
  exports.add<newGraph>("newGraph");
  exports.add<registerGenerator>("registerGenerator");
  exports.add<beginCapture>("beginCapture");
  exports.add<endCapture>("endCapture");
  exports.add<replayGraph>("replayGraph");
  exports.add<resetGraph>("resetGraph");
}

}  // namespace tessera
