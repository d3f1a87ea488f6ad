// The table of exports: each file adds the functions of its subject.
#pragma once

#include <napi.h>

#include "environment.h"
#include "errors.h"

namespace tessera {

struct Exports {
  Napi::Env env;
  Napi::Object object;
  Environment* state;

  template <Body body>
  void add(const char* name) {
    object.Set(name, Napi::Function::New<entry<body>>(env, name, state));
  }
  // For the hot path: no wrapper objects, the environment arrives as the function's data.
  void add(const char* name, napi_callback callback) {
    napi_value function;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, state, &function) != napi_ok) {
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

}  // namespace tessera
