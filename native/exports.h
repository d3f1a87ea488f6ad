// The table of exports: each file adds the functions of its subject.
#pragma once

#include <napi.h>

#include "environment.h"
#include "errors.h"

namespace tessera {

using HotBody = napi_value (*)(napi_env env, Environment& state);
template <HotBody body>
napi_value hotEntry(napi_env env, napi_callback_info info) {
  void* state = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &state);
  return guarded(env, [&] { return body(env, *static_cast<Environment*>(state)); });
}

struct Exports {
  Napi::Env env;
  Napi::Object object;
  Environment* state;

  template <auto body>
  void add(const char* name) {
    object.Set(name, Napi::Function::New<entry<body>>(env, name, state));
  }
  // For the hot path: arguments come on the wire, and no wrapper objects are created.
  template <HotBody body>
  void addHot(const char* name) {
    napi_value function;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, hotEntry<body>, state, &function) != napi_ok) {
      throw Fault("Runtime", std::string("cannot export ") + name);
    }
    object.Set(name, Napi::Value(env, function));
  }
};

void exportScopes(Exports& exports);
void exportStorage(Exports& exports);
void exportAutograd(Exports& exports);
void exportCallbacks(Exports& exports);
void exportRandom(Exports& exports);
void exportDevice(Exports& exports);
void exportMemory(Exports& exports);
void exportProfiler(Exports& exports);
void exportCuda(Exports& exports);
void exportDistributed(Exports& exports);

}  // namespace tessera
