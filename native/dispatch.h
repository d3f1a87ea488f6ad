// Operators by name: one call plan per overload, one boxed call for all of them.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <napi.h>

#include <vector>

#include "random.h"
#include "shortcuts.h"
#include "values.h"

namespace tessera {

struct Plan {
  c10::OperatorHandle handle;
  std::vector<ValueType> arguments;
  // For each result: true if it is the argument it aliases, changed in place; TypeScript already holds that object.
  std::vector<bool> inPlace;
  Shortcut shortcut;
  RandomUse random;
};

// resolve(name, overload) -> { id, schema }; throws MissingOperator if this libtorch does not have it.
Napi::Value resolve(const Napi::CallbackInfo& info);
// call(): wire [plan, count, arguments…] -> wire [results…], or the number of elements it must hold first.
napi_value call(napi_env env, Environment& state);
// Writes the results that did not fit, into the larger wire set in the meantime.
void results(const Napi::CallbackInfo& info);
// Returns every schema in the dispatcher, as text.
Napi::Value schemas(const Napi::CallbackInfo& info);

}  // namespace tessera
