// Current memory use, and its limit.
#include "../exports.h"
#include "allocator.h"

namespace tessera {

namespace {

// memory() -> { tensors (of this thread), cpuBytes, cpuPeakBytes (of the process) }
Napi::Value memory(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("tensors", static_cast<double>(environmentOf(info).handles.live()));
  result.Set("cpuBytes", static_cast<double>(cpuBytes()));
  result.Set("cpuPeakBytes", static_cast<double>(cpuPeakBytes()));
  return result;
}

// setMemoryBudget(bytes): the limit of the process's allocations on the CPU.
void setMemoryBudget(const Napi::CallbackInfo& info) {
  const double limit = numberArgument(info, 0);
  if (!(limit >= 0 && limit <= 9007199254740992.0)) throw Fault("Argument", "a memory budget must be a number of bytes");
  setCpuBudget(static_cast<int64_t>(limit));
}

}  // namespace

void exportMemory(Exports& exports) {
  exports.add<memory>("memory");
  exports.add<setMemoryBudget>("setMemoryBudget");
}

}  // namespace tessera
