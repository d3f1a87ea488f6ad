// Random numbers: each thread has its own default generators, so that no thread affects another's sequence.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <mutex>
#include <vector>

namespace tessera {

// Determines whether calls of an operator draw from the default generators.
class RandomUse {
 public:
  explicit RandomUse(const c10::OperatorHandle& handle);
  bool possible() const { return possible_; }
  // True if the call with these arguments draws: not if it names a generator, or its dropout is off.
  bool in(const c10::Stack& arguments) const;

 private:
  bool possible_;
  std::vector<size_t> switches_;  // the arguments that turn dropout off
};

// While it exists, this thread's default generators replace the process's where libtorch looks for them: some operators
// have no argument for a generator. Threads that draw wait for each other.
class DefaultGenerators {
 public:
  explicit DefaultGenerators(bool wanted = true);
  ~DefaultGenerators();
  DefaultGenerators(const DefaultGenerators&) = delete;

 private:
  std::unique_lock<std::mutex> lock_;
};

// Called once CUDA's devices may be used: gives this thread a default generator for each.
void addCudaGenerators();

}  // namespace tessera
