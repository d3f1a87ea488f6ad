// The autograd engine and the modes that steer recording.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "environment.h"
#include "errors.h"
#include "exports.h"

namespace tessera {

namespace {

using torch::autograd::variable_list;

// backward(retainGraph, createGraph): wire [tensors, gradients, inputs], each count, handles….
Napi::Value backward(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  state.wire.at = 0;
  const variable_list tensors = readTensors(state);
  const variable_list gradients = readTensors(state);
  const variable_list inputs = readTensors(state);
  torch::autograd::backward(tensors, gradients, boolArgument(info, 0), boolArgument(info, 1), inputs);
  return info.Env().Undefined();
}

// grad(retainGraph, createGraph, allowUnused): wire [outputs, inputs, gradients] -> wire [handles…], 0 for unused.
Napi::Value grad(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  state.wire.at = 0;
  const variable_list outputs = readTensors(state);
  const variable_list inputs = readTensors(state);
  const variable_list gradients = readTensors(state);
  const variable_list results = torch::autograd::grad(outputs, inputs, gradients, boolArgument(info, 0),
                                                      boolArgument(info, 1), boolArgument(info, 2));
  state.wire.at = 0;
  for (const at::Tensor& result : results) state.wire.put(result.defined() ? state.handles.add(result) : 0);
  return info.Env().Undefined();
}

// gradient(handle) -> handle, or 0 where there is none
Napi::Value gradient(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  const at::Tensor tensor = state.handles.get(numberArgument(info, 0)).grad();
  return Napi::Number::New(info.Env(), tensor.defined() ? state.handles.add(tensor) : 0);
}

// setGradient(handle, gradient): 0 clears it.
Napi::Value setGradient(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  const at::Tensor& tensor = state.handles.get(numberArgument(info, 0));
  const Handle handle = numberArgument(info, 1);
  const at::Tensor value = handle == 0 ? at::Tensor() : state.handles.get(handle);
  if (value.defined() && (value.sizes() != tensor.sizes() || value.device() != tensor.device() ||
                          value.scalar_type() != tensor.scalar_type())) {
    throw Fault("Shape", "a gradient has its tensor's shape, dtype and device");
  }
  tensor.mutable_grad() = value;
  return info.Env().Undefined();
}

// setRequiresGrad(handle, flag)
Napi::Value setRequiresGrad(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = environmentOf(info).handles.get(numberArgument(info, 0));
  const bool flag = boolArgument(info, 1);
  if (flag && !tensor.is_floating_point() && !tensor.is_complex()) {
    throw Fault("Type", "only floating-point and complex tensors can require gradients");
  }
  if (!flag && !tensor.is_leaf()) {
    throw Fault("Argument", "only a leaf can stop requiring gradients; use detach() on a computed tensor");
  }
  tensor.set_requires_grad(flag);
  return info.Env().Undefined();
}

// setGradMode(enabled) -> what it was
Napi::Value setGradMode(const Napi::CallbackInfo& info) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(boolArgument(info, 0));
  return Napi::Boolean::New(info.Env(), before);
}

Napi::Value gradMode(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), at::GradMode::is_enabled());
}

}  // namespace

void exportAutograd(Exports& exports) {
  exports.add<backward>("backward");
  exports.add<grad>("grad");
  exports.add<gradient>("gradient");
  exports.add<setGradient>("setGradient");
  exports.add<setRequiresGrad>("setRequiresGrad");
  exports.add<setGradMode>("setGradMode");
  exports.add<gradMode>("gradMode");
}

}  // namespace tessera
