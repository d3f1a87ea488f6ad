// CUDA streams as JavaScript identifies them: two numbers, the stream's id and its device's index.
#pragma once

#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "../errors.h"

namespace tessera {

inline c10::impl::VirtualGuardImpl cudaGuard() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

inline c10::DeviceIndex deviceArgument(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<c10::DeviceIndex>(numberArgument(info, index));
}

// Takes two arguments. Ids are small numbers or addresses: exact as a double.
inline c10::Stream streamArgument(const Napi::CallbackInfo& info, size_t index) {
  const c10::Device device(c10::DeviceType::CUDA, deviceArgument(info, index + 1));
  return c10::Stream(c10::Stream::UNSAFE, device, static_cast<c10::StreamId>(numberArgument(info, index)));
}

// The driver's handle of a stream (a CUstream).
void* nativeHandle(const c10::Stream& stream);

}  // namespace tessera
