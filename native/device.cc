// Devices, threads and memory counters.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include "allocator.h"
#include "exports.h"

namespace tessera {

namespace {

void setNumThreads(const Napi::CallbackInfo& info) {
  const double count = numberArgument(info, 0);
  if (!(count >= 1 && count <= 1024)) throw Fault("Argument", "the number of threads lies between 1 and 1024");
  at::set_num_threads(static_cast<int>(count));
}

int getNumThreads(const Napi::CallbackInfo&) { return at::get_num_threads(); }

// memory() -> { tensors (of this thread), cpuBytes, cpuPeakBytes (of the process) }
Napi::Value memory(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("tensors", static_cast<double>(environmentOf(info).handles.live()));
  result.Set("cpuBytes", static_cast<double>(cpuBytes()));
  result.Set("cpuPeakBytes", static_cast<double>(cpuPeakBytes()));
  return result;
}

// setMemoryBudget(bytes): what the CPU's allocations of the process may come to.
void setMemoryBudget(const Napi::CallbackInfo& info) {
  const double limit = numberArgument(info, 0);
  if (!(limit >= 0 && limit <= 9007199254740992.0)) throw Fault("Argument", "a memory budget is a number of bytes");
  setCpuBudget(static_cast<int64_t>(limit));
}

// The libtorch whose headers the addon was compiled against.
std::string builtAgainst(const Napi::CallbackInfo&) { return TORCH_VERSION; }

}  // namespace

void exportDevice(Exports& exports) {
  exports.add<setNumThreads>("setNumThreads");
  exports.add<getNumThreads>("getNumThreads");
  exports.add<memory>("memory");
  exports.add<setMemoryBudget>("setMemoryBudget");
  exports.add<builtAgainst>("builtAgainst");
}

}  // namespace tessera
