// Memory of CUDA devices through libtorch's device-neutral allocator, and the flags that choose CUDA's algorithms.
#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <string_view>

#include "../environment.h"
#include "cuda.h"
#include "stream.h"

namespace tessera {

namespace {

c10::DeviceAllocator& allocator() { return *c10::getDeviceAllocator(c10::DeviceType::CUDA); }

// memoryStats(device) -> { allocatedBytes: { current, peak, allocated, freed }, …, retries, outOfMemory }; an empty
// object before the first allocation.
Napi::Value memoryStats(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  if (!allocator().initialized()) return result;
  const auto stats = allocator().getDeviceStats(deviceArgument(info, 0));
  const auto put = [&](const char* name, const c10::CachingAllocator::StatArray& array) {
    const c10::CachingAllocator::Stat& whole = array[0];  // small and large blocks together
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("current", static_cast<double>(whole.current));
    object.Set("peak", static_cast<double>(whole.peak));
    object.Set("allocated", static_cast<double>(whole.allocated));
    object.Set("freed", static_cast<double>(whole.freed));
    result.Set(name, object);
  };
  put("allocations", stats.allocation);
  put("segments", stats.segment);
  put("allocatedBytes", stats.allocated_bytes);
  put("reservedBytes", stats.reserved_bytes);
  put("activeBytes", stats.active_bytes);
  put("requestedBytes", stats.requested_bytes);
  result.Set("retries", static_cast<double>(stats.num_alloc_retries));
  result.Set("outOfMemory", static_cast<double>(stats.num_ooms));
  return result;
}

// A template, for a libtorch whose allocator does not have this method yet.
template <class Allocator>
std::pair<size_t, size_t> memoryOf(Allocator& allocator, c10::DeviceIndex device) {
  if constexpr (requires { allocator.getMemoryInfo(device); }) return allocator.getMemoryInfo(device);
  throw Fault("NotImplemented", "this libtorch cannot report how much memory a device has");
}

// memoryInfo(device) -> [free, total] bytes, as reported by the driver
Napi::Value memoryInfo(const Napi::CallbackInfo& info) {
  const auto [free, total] = memoryOf(allocator(), deviceArgument(info, 0));
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(0u, static_cast<double>(free));
  result.Set(1u, static_cast<double>(total));
  return result;
}

void emptyCache(const Napi::CallbackInfo&) { allocator().emptyCache(); }

void resetPeakMemory(const Napi::CallbackInfo& info) {
  if (allocator().initialized()) allocator().resetPeakStats(deviceArgument(info, 0));
}

struct Flag {
  std::string_view name;
  bool (*get)(const at::Context&);
  void (*set)(at::Context&, bool);
};
constexpr Flag kFlags[] = {
    {"matmulTf32", [](const at::Context& c) { return c.allowTF32CuBLAS(); },
     [](at::Context& c, bool on) { c.setAllowTF32CuBLAS(on); }},
    {"cudnnTf32", [](const at::Context& c) { return c.allowTF32CuDNN(); },
     [](at::Context& c, bool on) { c.setAllowTF32CuDNN(on); }},
    {"cudnnBenchmark", [](const at::Context& c) { return c.benchmarkCuDNN(); },
     [](at::Context& c, bool on) { c.setBenchmarkCuDNN(on); }},
    {"cudnnDeterministic", [](const at::Context& c) { return c.deterministicCuDNN(); },
     [](at::Context& c, bool on) { c.setDeterministicCuDNN(on); }},
    {"deterministic", [](const at::Context& c) { return c.deterministicAlgorithms(); },
     [](at::Context& c, bool on) { c.setDeterministicAlgorithms(on, /*warn_only=*/false); }},
    {"deterministicWarnOnly", [](const at::Context& c) { return c.deterministicAlgorithmsWarnOnly(); },
     [](at::Context& c, bool on) { c.setDeterministicAlgorithms(c.deterministicAlgorithms(), on); }},
};

const Flag& flagArgument(const Napi::CallbackInfo& info) {
  const std::string name = textArgument(info, 0);
  for (const Flag& flag : kFlags) {
    if (flag.name == name) return flag;
  }
  throw Fault("Argument", "unknown flag " + name);
}

// flag(name) -> boolean, setFlag(name, on): they belong to the process and need no device.
bool flag(const Napi::CallbackInfo& info) { return flagArgument(info).get(at::globalContext()); }
void setFlag(const Napi::CallbackInfo& info) { flagArgument(info).set(at::globalContext(), boolArgument(info, 1)); }

}  // namespace

void exportCudaMemory(Exports& exports) {
  exports.add<memoryStats>("memoryStats");
  exports.add<memoryInfo>("memoryInfo");
  exports.add<emptyCache>("emptyCache");
  exports.add<resetPeakMemory>("resetPeakMemory");
  exports.add<flag>("flag");
  exports.add<setFlag>("setFlag");
}

}  // namespace tessera
