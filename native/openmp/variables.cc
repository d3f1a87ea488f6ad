// tessera_openmp.node: sets variables in the process's environment from a worker thread, whose process.env is a copy.
// Not linked with libtorch, because OpenMP's library reads the variables when it is opened, before the addon is.
#include <node_api.h>

#include <cstdlib>

// limitSpinning(count: string): sets how long waiting threads spin, unless the process's environment sets it already.
static napi_value limitSpinning(napi_env env, napi_callback_info info) {
  size_t given = 1;
  napi_value argument;
  char count[24];
  if (napi_get_cb_info(env, info, &given, &argument, nullptr, nullptr) != napi_ok || given < 1) return nullptr;
  if (napi_get_value_string_utf8(env, argument, count, sizeof count, nullptr) != napi_ok) return nullptr;
  if (getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", count, /*overwrite=*/0);
  return nullptr;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "limitSpinning", NAPI_AUTO_LENGTH, limitSpinning, nullptr, &function) == napi_ok) {
    napi_set_named_property(env, exports, "limitSpinning", function);
  }
  return exports;
}
