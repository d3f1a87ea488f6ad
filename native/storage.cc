// A tensor's properties (dtype, device, shape, …) and its bytes.
#include <cstring>

#include "exports.h"

namespace tessera {

namespace {

// describe(handle): wire <- [dtype, device type, device index, requires grad, leaf, dimensions, sizes…, strides…,
// storage offset, storage address, storage bytes, layout].
void describe(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = tensorArgument(info, 0);
  const bool strided = tensor.layout() == c10::kStrided && tensor.has_storage();
  Wire& out = environmentOf(info).wire;
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
}

// copyBytes(handle, byteOffset, Uint8Array, write): into the tensor's memory or out of it.
void copyBytes(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = tensorArgument(info, 0);
  if (!tensor.device().is_cpu() || tensor.layout() != c10::kStrided || !tensor.is_contiguous()) {
    throw Fault("Argument", "bytes can only be read from and written to contiguous tensors on the CPU");
  }
  if (tensor.is_conj() || tensor.is_neg()) throw Fault("Argument", "resolve the lazy conjugate or negative first");
  const double offset = numberArgument(info, 1);
  if (!info[2].IsTypedArray()) throw Fault("Argument", "expected a Uint8Array");
  auto array = info[2].As<Napi::Uint8Array>();
  const size_t length = array.ByteLength();
  if (!(offset >= 0) || offset + static_cast<double>(length) > static_cast<double>(tensor.nbytes())) {
    throw Fault("Argument", "the byte range is outside the tensor, which has " + std::to_string(tensor.nbytes()) + " bytes");
  }
  if (length == 0) return;
  uint8_t* data = static_cast<uint8_t*>(tensor.data_ptr()) + static_cast<size_t>(offset);
  if (boolArgument(info, 3)) std::memcpy(data, array.Data(), length);
  else std::memcpy(array.Data(), data, length);
}

// setData(handle, other): the tensor takes over the other's storage, shape, dtype and device (PyTorch's `.data =`).
void setData(const Napi::CallbackInfo& info) { tensorArgument(info, 0).set_data(tensorArgument(info, 1)); }

}  // namespace

void exportStorage(Exports& exports) {
  exports.add<describe>("describe");
  exports.add<copyBytes>("copyBytes");
  exports.add<setData>("setData");
}

}  // namespace tessera
