// What a tensor is (dtype, device, shape, …) and its bytes.
#include <cstring>

#include "environment.h"
#include "errors.h"
#include "exports.h"

namespace tessera {

namespace {

// describe(handle): wire <- [dtype, device type, device index, requires grad, leaf, dimensions, sizes…, strides…,
// storage offset, storage address, storage bytes, layout].
Napi::Value describe(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  const at::Tensor& tensor = state.handles.get(numberArgument(info, 0));
  const bool strided = tensor.layout() == c10::kStrided && tensor.has_storage();
  Wire& out = state.wire;
  out.at = 0;
  out.put(static_cast<double>(tensor.scalar_type()));
  out.put(static_cast<double>(tensor.device().type()));
  out.put(static_cast<double>(tensor.device().index()));
  out.put(tensor.requires_grad() ? 1 : 0);
  out.put(tensor.is_leaf() ? 1 : 0);
  out.put(static_cast<double>(tensor.dim()));
  for (const int64_t size : tensor.sizes()) out.put(static_cast<double>(size));
  for (int64_t i = 0; i < tensor.dim(); ++i) out.put(strided ? static_cast<double>(tensor.stride(i)) : 0);
  out.put(strided ? static_cast<double>(tensor.storage_offset()) : 0);
  out.put(strided ? static_cast<double>(reinterpret_cast<uintptr_t>(tensor.storage().data())) : 0);
  out.put(strided ? static_cast<double>(tensor.storage().nbytes()) : 0);
  out.put(static_cast<double>(tensor.layout()));
  return info.Env().Undefined();
}

struct Window {
  uint8_t* tensor;
  uint8_t* array;
  size_t length;
};

// The part of a tensor's memory that a Uint8Array of the caller stands for.
Window window(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = environmentOf(info).handles.get(numberArgument(info, 0));
  if (!tensor.device().is_cpu() || tensor.layout() != c10::kStrided || !tensor.is_contiguous()) {
    throw Fault("Argument", "bytes are read and written in contiguous tensors on the CPU");
  }
  if (tensor.is_conj() || tensor.is_neg()) throw Fault("Argument", "resolve the lazy conjugate or negative first");
  const double offset = numberArgument(info, 1);
  if (!info[2].IsTypedArray()) throw Fault("Argument", "expected a Uint8Array");
  auto array = info[2].As<Napi::Uint8Array>();
  const double end = offset + static_cast<double>(array.ByteLength());
  if (!(offset >= 0) || end > static_cast<double>(tensor.nbytes())) {
    throw Fault("Argument", "the bytes lie outside the tensor, which has " + std::to_string(tensor.nbytes()));
  }
  return {static_cast<uint8_t*>(tensor.data_ptr()) + static_cast<size_t>(offset), array.Data(), array.ByteLength()};
}

// writeBytes(handle, byteOffset, Uint8Array): into the tensor.
Napi::Value writeBytes(const Napi::CallbackInfo& info) {
  const Window bytes = window(info);
  if (bytes.length > 0) std::memcpy(bytes.tensor, bytes.array, bytes.length);
  return info.Env().Undefined();
}

// readBytes(handle, byteOffset, Uint8Array): out of the tensor.
Napi::Value readBytes(const Napi::CallbackInfo& info) {
  const Window bytes = window(info);
  if (bytes.length > 0) std::memcpy(bytes.array, bytes.tensor, bytes.length);
  return info.Env().Undefined();
}

// setData(handle, other): the tensor takes over the other's storage, shape, dtype and device (PyTorch's `.data =`).
Napi::Value setData(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  state.handles.get(numberArgument(info, 0)).set_data(state.handles.get(numberArgument(info, 1)));
  return info.Env().Undefined();
}

}  // namespace

void exportStorage(Exports& exports) {
  exports.add<describe>("describe");
  exports.add<writeBytes>("writeBytes");
  exports.add<readBytes>("readBytes");
  exports.add<setData>("setData");
}

}  // namespace tessera
