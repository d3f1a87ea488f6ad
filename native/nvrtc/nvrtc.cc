// NVRTC, CUDA's compiler as a library, opened at run time with hand-written prototypes. It needs no device or driver.
#include "../cuda/cuda.h"
#include "library.h"

namespace tessera {

namespace {

using Program = void*;

Library& nvrtc() {
  static Library library;
  return library;
}

void check(int result, const char* what) {
  if (result == 0) return;
  const char* text = nvrtc().get<const char*(int)>("nvrtcGetErrorString")(result);
  throw Fault("Runtime", std::string("NVRTC: ") + text + " (" + what + ")");
}

std::vector<std::string> textsArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsArray()) throw Fault("Argument", "expected an array of strings");
  const auto array = info[index].As<Napi::Array>();
  std::vector<std::string> result;
  for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(array.Get(i).ToString().Utf8Value());
  return result;
}

// openNvrtc(names) -> its version, such as 13.0
std::string openNvrtc(const Napi::CallbackInfo& info) {
  nvrtc().open(textsArgument(info, 0));
  int major = 0;
  int minor = 0;
  check(nvrtc().get<int(int*, int*)>("nvrtcVersion")(&major, &minor), "version");
  return std::to_string(major) + "." + std::to_string(minor);
}

struct OwnedProgram {
  OwnedProgram(const std::string& source, const std::string& name) {
    using Create = int(Program*, const char*, const char*, int, const char* const*, const char* const*);
    check(nvrtc().get<Create>("nvrtcCreateProgram")(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr), "create");
  }
  ~OwnedProgram() { nvrtc().get<int(Program*)>("nvrtcDestroyProgram")(&program); }
  OwnedProgram(const OwnedProgram&) = delete;

  // Returns the text that `get` writes into a buffer of the size that `measure` returns.
  std::string read(const char* measure, const char* get) const {
    size_t size = 0;
    check(nvrtc().get<int(Program, size_t*)>(measure)(program, &size), measure);
    std::string result(size, '\0');
    check(nvrtc().get<int(Program, char*)>(get)(program, result.data()), get);
    return result;
  }

  Program program = nullptr;
};

// compileKernels(source, name, options) -> machine code (cubin)
Napi::Value compileKernels(const Napi::CallbackInfo& info) {
  const OwnedProgram owned(textArgument(info, 0), textArgument(info, 1));
  const std::vector<std::string> options = textsArgument(info, 2);
  std::vector<const char*> texts;
  for (const std::string& option : options) texts.push_back(option.c_str());
  using Compile = int(Program, int, const char* const*);
  const int result =
      nvrtc().get<Compile>("nvrtcCompileProgram")(owned.program, static_cast<int>(texts.size()), texts.data());
  if (result != 0) throw Fault("Runtime", "NVRTC: " + owned.read("nvrtcGetProgramLogSize", "nvrtcGetProgramLog"));
  const std::string code = owned.read("nvrtcGetCUBINSize", "nvrtcGetCUBIN");
  return Napi::Buffer<char>::Copy(info.Env(), code.data(), code.size());
}

}  // namespace

void exportKernels(Exports& exports) {
  exports.add<openNvrtc>("openNvrtc");
  exports.add<compileKernels>("compileKernels");
}

}  // namespace tessera
