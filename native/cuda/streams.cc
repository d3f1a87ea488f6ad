// CUDA's devices, streams and events through libtorch's device-neutral guard: no CUDA header is needed. Without CUDA
// the guard itself throws; TypeScript checks before it calls this code (src/torch/core/device.ts).
#include "stream.h"

#include <ATen/Context.h>
#include <c10/core/Event.h>
#include <dlfcn.h>

#include "../environment.h"
#include "cuda.h"

namespace tessera {

// A template, for a libtorch whose guard does not have this method yet. In that case the exported method of CUDA's
// stream class is used, which contains only a c10::Stream.
template <class Guard>
static void* handleFrom(const Guard& guard, const c10::Stream& stream) {
  if constexpr (requires { guard.getStreamNativeHandle(stream); }) return guard.getStreamNativeHandle(stream);
  using Method = void* (*)(const c10::Stream*);
  const auto method = reinterpret_cast<Method>(dlsym(RTLD_DEFAULT, "_ZNK3c104cuda10CUDAStream6streamEv"));
  if (method == nullptr) throw Fault("NotImplemented", "this libtorch does not expose the handle of a stream");
  return method(&stream);
}

void* nativeHandle(const c10::Stream& stream) { return handleFrom(cudaGuard(), stream); }

namespace {

// deviceCount() -> 0 if CUDA is missing or cannot be used
int deviceCount(const Napi::CallbackInfo&) {
  return at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
}

// initialize(): work that libtorch postpones until the first tensor on a device.
void initialize(const Napi::CallbackInfo&) {
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
  addCudaGenerators();
}

int currentDevice(const Napi::CallbackInfo&) { return cudaGuard().getDevice().index(); }

// setDevice(device): of this thread
void setDevice(const Napi::CallbackInfo& info) {
  cudaGuard().setDevice({c10::DeviceType::CUDA, deviceArgument(info, 0)});
}

void synchronizeDevice(const Napi::CallbackInfo& info) { cudaGuard().synchronizeDevice(deviceArgument(info, 0)); }

// currentStream(device), defaultStream(device), newStream(device, priority) -> id
double currentStream(const Napi::CallbackInfo& info) {
  return static_cast<double>(cudaGuard().getStream({c10::DeviceType::CUDA, deviceArgument(info, 0)}).id());
}
double defaultStream(const Napi::CallbackInfo& info) {
  return static_cast<double>(cudaGuard().getDefaultStream({c10::DeviceType::CUDA, deviceArgument(info, 0)}).id());
}
double newStream(const Napi::CallbackInfo& info) {
  const c10::Device device(c10::DeviceType::CUDA, deviceArgument(info, 0));
  return static_cast<double>(cudaGuard().getNewStream(device, static_cast<int>(numberArgument(info, 1))).id());
}

// setStream(id, device): current on its device, for this thread
void setStream(const Napi::CallbackInfo& info) { cudaGuard().exchangeStream(streamArgument(info, 0)); }

// queryStream(id, device) -> true if all its work is done
bool queryStream(const Napi::CallbackInfo& info) { return cudaGuard().queryStream(streamArgument(info, 0)); }

void synchronizeStream(const Napi::CallbackInfo& info) { cudaGuard().synchronizeStream(streamArgument(info, 0)); }

// recordStream(tensor, id, device): its memory is not reused before the stream has reached this point.
void recordStream(const Napi::CallbackInfo& info) {
  cudaGuard().recordDataPtrOnStream(tensorArgument(info, 0).storage().data_ptr(), streamArgument(info, 1));
}

c10::Event& eventArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsExternal()) throw Fault("Argument", "expected an event");
  return *info[index].As<Napi::External<c10::Event>>().Data();
}

// newEvent(timing) -> an event, destroyed with its JavaScript object
Napi::Value newEvent(const Napi::CallbackInfo& info) {
  const c10::EventFlag flag = boolArgument(info, 0) ? c10::EventFlag::BACKEND_DEFAULT : c10::EventFlag::PYTORCH_DEFAULT;
  return Napi::External<c10::Event>::New(info.Env(), new c10::Event(c10::DeviceType::CUDA, flag),
                                         [](Napi::Env, c10::Event* event) { delete event; });
}

// recordEvent(event, id, device), waitEvent(event, id, device): the stream records it, or waits for it.
void recordEvent(const Napi::CallbackInfo& info) { eventArgument(info, 0).record(streamArgument(info, 1)); }
void waitEvent(const Napi::CallbackInfo& info) { eventArgument(info, 0).block(streamArgument(info, 1)); }

bool queryEvent(const Napi::CallbackInfo& info) { return eventArgument(info, 0).query(); }
void synchronizeEvent(const Napi::CallbackInfo& info) { eventArgument(info, 0).synchronize(); }

// elapsedTime(start, end) -> milliseconds
double elapsedTime(const Napi::CallbackInfo& info) { return eventArgument(info, 0).elapsedTime(eventArgument(info, 1)); }

}  // namespace

void exportCudaStreams(Exports& exports) {
  exports.add<deviceCount>("deviceCount");
  exports.add<initialize>("initialize");
  exports.add<currentDevice>("currentDevice");
  exports.add<setDevice>("setDevice");
  exports.add<synchronizeDevice>("synchronizeDevice");
  exports.add<currentStream>("currentStream");
  exports.add<defaultStream>("defaultStream");
  exports.add<newStream>("newStream");
  exports.add<setStream>("setStream");
  exports.add<queryStream>("queryStream");
  exports.add<synchronizeStream>("synchronizeStream");
  exports.add<recordStream>("recordStream");
  exports.add<newEvent>("newEvent");
  exports.add<recordEvent>("recordEvent");
  exports.add<waitEvent>("waitEvent");
  exports.add<queryEvent>("queryEvent");
  exports.add<synchronizeEvent>("synchronizeEvent");
  exports.add<elapsedTime>("elapsedTime");
}

}  // namespace tessera
