// tessera_graph.so: at::cuda::CUDAGraph behind the interface of graph.h. Compiled against the CUDA runtime's headers, but
// linked with none of its libraries: libtorch_cuda, open before this is, brings what it needs.
#include "graph.h"

#include <cuda.h>  // first: it defines CUDA_VERSION, on which the layout of CUDAGraph depends

#include <ATen/cuda/CUDAGraph.h>
#include <torch/version.h>

static_assert(CUDA_VERSION >= 12040, "CUDA's headers are older than what libtorch is built with");

namespace {

template <class CudaGraph>
struct Captured final : tessera::Graph {
  void registerGenerator(const at::Generator& generator) override {
    // Later versions find out for themselves which generators are used.
    if constexpr (requires { graph.register_generator_state(generator); }) graph.register_generator_state(generator);
    else (void)generator;
  }
  // Unsafe calls of other threads, such as a loader's pinned allocations, shall not spoil the capture.
  void begin(c10::MempoolId_t pool) override { graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal); }
  void end() override { graph.capture_end(); }
  void replay() override { graph.replay(); }
  void reset() override { graph.reset(); }
  c10::MempoolId_t pool() override { return graph.pool(); }

  CudaGraph graph;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const char* tesseraGraphBuiltAgainst() { return TORCH_VERSION; }
extern "C" __attribute__((visibility("default"))) tessera::Graph* tesseraNewGraph() {
  return new Captured<at::cuda::CUDAGraph>();
}
