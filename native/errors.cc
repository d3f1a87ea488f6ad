#include "errors.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace tessera {

// Formatting a trace takes milliseconds, and is rarely needed: a copy of the error is kept as long as the function that
// formats it exists. Finalizers run between turns of the event loop, so dead entries are removed when others are added.
napi_value traceOf(napi_env env, const c10::Error& error) {
  struct Trace {
    napi_env env;
    std::unique_ptr<c10::Error> error;
    napi_ref function;  // weak
  };
  static thread_local std::vector<Trace> held;
  static thread_local size_t most = 64;
  // References can be released only while the environment exists.
  const auto release = [](void*) {
    for (const Trace& trace : held) napi_delete_reference(trace.env, trace.function);
  };
  [[maybe_unused]] static thread_local const napi_status released = napi_add_env_cleanup_hook(env, release, nullptr);
  if (held.size() >= most) {
    std::erase_if(held, [](const Trace& trace) {
      napi_value function = nullptr;
      napi_get_reference_value(trace.env, trace.function, &function);
      return function == nullptr && napi_delete_reference(trace.env, trace.function) == napi_ok;
    });
    most = std::max<size_t>(64, 2 * held.size());
  }
  auto copy = std::make_unique<c10::Error>(error);
  const auto text = [](napi_env env, napi_callback_info info) -> napi_value {
    void* data = nullptr;
    napi_value result = nullptr;
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    napi_create_string_utf8(env, static_cast<const c10::Error*>(data)->what(), NAPI_AUTO_LENGTH, &result);
    return result;
  };
  napi_value function = nullptr;
  napi_ref reference = nullptr;
  if (napi_create_function(env, nullptr, 0, text, copy.get(), &function) != napi_ok) return nullptr;
  if (napi_create_reference(env, function, 0, &reference) != napi_ok) return nullptr;
  held.push_back({env, std::move(copy), reference});
  return function;
}

}  // namespace tessera
