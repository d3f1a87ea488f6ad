// Every entry from JavaScript goes through guarded(): no C++ exception leaves the addon except as a JS error.
#pragma once

#include <c10/util/Exception.h>
#include <napi.h>

#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace tessera {

// An error detected by the addon itself. The kind names the class that TypeScript throws (src/torch/core/errors.ts).
struct Fault : std::runtime_error {
  Fault(const char* kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  const char* kind;
};

// Plain Node-API calls whose failures are ignored: in a thread that is being terminated none of them works, and the
// wrappers of node-addon-api would throw out of the handler.
inline void throwError(napi_env env, const char* kind, const std::string& message, napi_value detail = nullptr) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || pending) return;
  const auto text = [env](const std::string& value) {
    napi_value result = nullptr;
    napi_create_string_utf8(env, value.data(), value.size(), &result);
    return result;
  };
  napi_value error = nullptr;
  if (napi_create_error(env, nullptr, text(message), &error) != napi_ok) return;
  napi_set_named_property(env, error, "kind", text(kind));
  if (detail != nullptr) napi_set_named_property(env, error, "detail", detail);
  napi_throw(env, error);
}

inline const char* kindOf(const c10::Error& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error)) return "OutOfMemory";
  if (dynamic_cast<const c10::IndexError*>(&error)) return "Index";
  if (dynamic_cast<const c10::NotImplementedError*>(&error)) return "NotImplemented";
  if (dynamic_cast<const c10::TypeError*>(&error)) return "Type";
  if (dynamic_cast<const c10::ValueError*>(&error)) return "Value";
  return dynamic_cast<const c10::LinAlgError*>(&error) ? "LinAlg" : "Runtime";
}

// Returns a JavaScript function that returns the error's text with libtorch's trace; null if it cannot be created.
napi_value traceOf(napi_env env, const c10::Error& error);

// Calls body; an exception becomes a pending JS error and the result is null.
template <class Body>
napi_value guarded(napi_env env, Body&& body) {
  try {
    return body();
  } catch (const Fault& e) {
    throwError(env, e.kind, e.what());
  } catch (const Napi::Error& e) {
    throwError(env, "Runtime", e.Message());
  } catch (const c10::Error& e) {
    throwError(env, kindOf(e), e.what_without_backtrace(), traceOf(env, e));
  } catch (const std::bad_alloc&) {
    throwError(env, "OutOfMemory", "the process is out of memory");
  } catch (const std::exception& e) {
    throwError(env, "Runtime", e.what());
  } catch (...) {
    throwError(env, "Runtime", "an unknown C++ exception");
  }
  return nullptr;
}

// A function of the export table that is not on the hot path: it takes node-addon-api's CallbackInfo, and returns
// nothing, a boolean, a number, a string or a Napi::Value.
template <auto body>
Napi::Value entry(const Napi::CallbackInfo& info) {
  return Napi::Value(info.Env(), guarded(info.Env(), [&]() -> napi_value {
    if constexpr (std::is_void_v<decltype(body(info))>) return body(info), nullptr;
    else return Napi::Value::From(info.Env(), body(info));
  }));
}

inline double numberArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsNumber()) throw Fault("Argument", "expected a number as argument " + std::to_string(index));
  return info[index].As<Napi::Number>().DoubleValue();
}
inline bool boolArgument(const Napi::CallbackInfo& info, size_t index) { return info[index].ToBoolean(); }
inline std::string textArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsString()) throw Fault("Argument", "expected a string as argument " + std::to_string(index));
  return info[index].As<Napi::String>().Utf8Value();
}

}  // namespace tessera
