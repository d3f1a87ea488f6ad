// State of one Node environment (the main thread or a worker): nothing here is shared between threads.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/stack.h>
#include <c10/core/InferenceMode.h>
#include <napi.h>

#include <deque>
#include <memory>
#include <vector>

#include "dispatch.h"
#include "errors.h"
#include "handles.h"
#include "wire.h"

namespace tessera {

struct Environment {
  Environment(napi_env env, uint32_t id) : handles(env, id) {}
  // References into JavaScript can be released only while the environment exists.
  ~Environment() {
    handles.clear();
    *alive = false;
  }

  HandleTable handles;
  std::deque<Plan> plans;
  std::vector<at::Generator> generators;
  std::deque<c10::InferenceMode> inference;  // entered but not left yet
  Wire wire;
  // Reused between calls; a call that re-enters (a hook) finds it in use and works on a new one.
  c10::Stack stack;
  // Results that did not fit into the wire, waiting for a larger one.
  c10::Stack pending;
  int nested = 0;  // depth of nested running callbacks from the engine
  // Graphs hold callbacks into JavaScript and may outlive it.
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

// wire: count, handles… (0 for none, an undefined tensor to the engine)
inline std::vector<at::Tensor> readTensors(Environment& state) {
  std::vector<at::Tensor> list(state.wire.count());
  for (at::Tensor& tensor : list) {
    const Handle handle = state.wire.next();
    if (handle != 0) tensor = state.handles.get(handle);
  }
  return list;
}

inline Environment& environmentOf(const Napi::CallbackInfo& info) { return *static_cast<Environment*>(info.Data()); }

inline const at::Tensor& tensorArgument(const Napi::CallbackInfo& info, size_t index) {
  return environmentOf(info).handles.get(numberArgument(info, index));
}

}  // namespace tessera
