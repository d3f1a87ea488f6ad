// CUDA's driver, opened at run time with hand-written prototypes: device properties, and kernels on libtorch's streams.
#include "../cuda/cuda.h"
#include "../cuda/stream.h"
#include "../environment.h"
#include "library.h"

namespace tessera {

namespace {

using Result = int;  // CUresult: 0 is success
using Device = int;

Library& driver() {
  static Library library = [] {
    Library opened;
    opened.open({"libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"});
    return opened;
  }();
  return library;
}

template <class... Parameters, class... Arguments>
void check(const char* name, Result (*)(Parameters...), Arguments... arguments) {
  const Result result = driver().get<Result(Parameters...)>(name)(arguments...);
  if (result == 0) return;
  const char* text = nullptr;
  driver().get<Result(Result, const char**)>("cuGetErrorString")(result, &text);
  throw Fault("Runtime", std::string("CUDA error: ") + (text ? text : "unknown") + " (" + name + ")");
}
#define DRIVER(name, prototype, ...) check(name, static_cast<Result (*) prototype>(nullptr), __VA_ARGS__)

Device deviceAt(const Napi::CallbackInfo& info, size_t index) {
  DRIVER("cuInit", (unsigned), 0u);
  Device device = 0;
  DRIVER("cuDeviceGet", (Device*, int), &device, static_cast<int>(numberArgument(info, index)));
  return device;
}

// driverVersion() -> the CUDA version that the driver supports, such as 13000
int driverVersion(const Napi::CallbackInfo&) {
  int version = 0;
  DRIVER("cuDriverGetVersion", (int*), &version);
  return version;
}

// deviceName(device), deviceAttribute(device, number in CUdevice_attribute)
std::string deviceName(const Napi::CallbackInfo& info) {
  char name[256] = "";
  DRIVER("cuDeviceGetName", (char*, int, Device), name, 256, deviceAt(info, 0));
  return name;
}
int deviceAttribute(const Napi::CallbackInfo& info) {
  int value = 0;
  const int attribute = static_cast<int>(numberArgument(info, 1));
  DRIVER("cuDeviceGetAttribute", (int*, int, Device), &value, attribute, deviceAt(info, 0));
  return value;
}

// loadKernel(device, image: Uint8Array, name) -> a kernel. It stays loaded until the process ends.
Napi::Value loadKernel(const Napi::CallbackInfo& info) {
  const Device device = deviceAt(info, 0);
  if (!info[1].IsTypedArray()) throw Fault("Argument", "expected a Uint8Array");
  const auto image = info[1].As<Napi::Uint8Array>();
  void* context = nullptr;
  // libtorch and CUDA's runtime share the device's primary context.
  DRIVER("cuDevicePrimaryCtxRetain", (void**, Device), &context, device);
  DRIVER("cuCtxSetCurrent", (void*), context);
  void* module = nullptr;
  void* function = nullptr;
  DRIVER("cuModuleLoadData", (void**, const void*), &module, static_cast<const void*>(image.Data()));
  const std::string name = textArgument(info, 2);
  DRIVER("cuModuleGetFunction", (void**, void*, const char*), &function, module, name.c_str());
  return Napi::External<void>::New(info.Env(), function);
}

// One argument of a kernel: eight bytes hold a pointer, an integer or a float.
union Value {
  void* pointer;
  int32_t integer;
  float number;
};

// launchKernel(kernel, stream id, device, [grid x, y, z, block x, y, z], kinds, values): for each value a letter of
// kinds: t for a tensor's data, i for an int, f for a float.
void launchKernel(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw Fault("Argument", "expected a kernel");
  void* stream = nativeHandle(streamArgument(info, 1));
  unsigned size[6];
  for (uint32_t i = 0; i < 6; ++i) size[i] = info[3].As<Napi::Array>().Get(i).ToNumber().Uint32Value();
  const std::string kinds = textArgument(info, 4);
  const auto given = info[5].As<Napi::Array>();
  std::vector<Value> values(kinds.size());
  std::vector<void*> addresses;
  for (uint32_t i = 0; i < kinds.size(); ++i) {
    const double value = given.Get(i).ToNumber().DoubleValue();
    if (kinds[i] == 't') values[i].pointer = environmentOf(info).handles.get(value).data_ptr();
    else if (kinds[i] == 'i') values[i].integer = static_cast<int32_t>(value);
    else values[i].number = static_cast<float>(value);
    addresses.push_back(&values[i]);
  }
  using U = unsigned;
  DRIVER("cuLaunchKernel", (void*, U, U, U, U, U, U, U, void*, void**, void**),
         static_cast<void*>(info[0].As<Napi::External<void>>().Data()), size[0], size[1], size[2], size[3], size[4], size[5],
         0u, stream, addresses.data(), static_cast<void**>(nullptr));
}

}  // namespace

void exportDriver(Exports& exports) {
  exports.add<driverVersion>("driverVersion");
  exports.add<deviceName>("deviceName");
  exports.add<deviceAttribute>("deviceAttribute");
  exports.add<loadKernel>("loadKernel");
  exports.add<launchKernel>("launchKernel");
}

}  // namespace tessera
