// tessera_graph.so: at::cuda::CUDAGraph behind the interface of graph.h. Compiled against the CUDA runtime's headers,
// but linked with none of its libraries: libtorch_cuda, opened before it, provides them.
#include "graph.h"

#include <cuda.h>  // first: it defines CUDA_VERSION, on which the layout of CUDAGraph depends

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <torch/version.h>

#include <optional>

static_assert(CUDA_VERSION >= 12040, "CUDA's headers are older than those libtorch was built with");

namespace {

template <class Body>
void despiteErrors(Body body) {
  try {
    body();
  } catch (...) {  // The original error has already been reported.
  }
}

// Before 2.14 a capture that fails to end leaves its allocators and generators in capture: memory is never released,
// and random numbers can no longer be drawn.
template <class CudaGraph>
struct Recoverable : CudaGraph {
  void abandon() {
    if constexpr (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 14) {
      for (auto& [state, increment] : this->captured_generator_states_) stopCapturing(*state);
      namespace device = c10::cuda::CUDACachingAllocator;
      despiteErrors([&] { device::endAllocateToPool(this->capture_dev_, this->mempool_id_); });
      despiteErrors([&] { device::releasePool(this->capture_dev_, this->mempool_id_); });
      despiteErrors([&] { leaveHostPool(at::getHostAllocator(at::kCUDA)); });
    }
  }

 private:
  template <class State>
  static void stopCapturing(State& state) {
    if constexpr (requires { state.capturing_; }) state.capturing_ = false;
  }
  template <class Allocator>
  void leaveHostPool(Allocator* host) {
    if constexpr (requires { host->end_allocate_to_pool(this->mempool_id_); }) {
      host->end_allocate_to_pool(this->mempool_id_);
      host->release_pool(this->mempool_id_);
    }
  }
};

template <class CudaGraph>
struct Captured final : tessera::Graph {
  void registerGenerator(const at::Generator& generator) override {
    // Later versions detect which generators are used.
    if constexpr (requires { graph->register_generator_state(generator); }) graph->register_generator_state(generator);
    else (void)generator;
  }
  // Unsafe calls of other threads, such as a loader's pinned allocations, must not invalidate the capture.
  void begin(c10::MempoolId_t pool) override { graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal); }
  void end() override {
    try {
      graph->capture_end();
    } catch (...) {
      graph->abandon();
      throw;
    }
  }
  void replay() override { graph->replay(); }
  // Its own reset() keeps the generators' seeds on the device.
  void reset() override { graph.emplace(); }
  c10::MempoolId_t pool() override { return graph->pool(); }

  std::optional<Recoverable<CudaGraph>> graph{std::in_place};
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const char* tesseraGraphBuiltAgainst() { return TORCH_VERSION; }
extern "C" __attribute__((visibility("default"))) tessera::Graph* tesseraNewGraph() {
  return new Captured<at::cuda::CUDAGraph>();
}
