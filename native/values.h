// JS values and libtorch's IValues, by the types that operator schemas use.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <memory>
#include <string>

#include "handles.h"
#include "wire.h"

namespace tessera {

struct Environment;

enum class Kind { Tensor, Int, Float, Bool, Scalar, Complex, String, Device, Generator, List, Unsupported };

// The values that one argument accepts, determined once from its schema.
struct ValueType {
  Kind kind = Kind::Unsupported;
  bool optional = false;
  std::shared_ptr<ValueType> element;  // of a list
  int32_t repeat = 0;                  // a single number stands for a list of this length (`int[2]`)
  std::string name;
  std::string text;  // the schema's own name for the type, for messages
  std::optional<c10::IValue> fallback;
};

ValueType valueTypeOf(const c10::Argument& argument);
c10::IValue readArgument(Environment& state, Wire& in, const ValueType& type);
c10::IValue defaultOf(const ValueType& type);
void writeValue(HandleTable& handles, Wire& out, c10::IValue value);
size_t measureValue(const c10::IValue& value);

}  // namespace tessera
