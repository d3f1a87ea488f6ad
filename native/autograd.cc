// The autograd engine and the modes that control recording.
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/engine.h>

#include "exports.h"

namespace tessera {

namespace {

using torch::autograd::variable_list;

// The environment of a backward pass that begins. Nested deeper, it would go to a libtorch thread, without JavaScript.
Environment& beginPass(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  if (state.nested > torch::autograd::MAX_DEPTH) {
    throw Fault("Thread", "backward passes are nested more than 60 deep; libtorch would continue in another thread");
  }
  state.wire.at = 0;
  return state;
}

// backward(retainGraph, createGraph): wire [tensors, gradients, inputs], each count, handles….
void backward(const Napi::CallbackInfo& info) {
  Environment& state = beginPass(info);
  const variable_list tensors = readTensors(state);
  const variable_list gradients = readTensors(state);
  const variable_list inputs = readTensors(state);
  torch::autograd::backward(tensors, gradients, boolArgument(info, 0), boolArgument(info, 1), inputs);
}

// grad(retainGraph, createGraph, allowUnused): wire [outputs, inputs, gradients] -> wire [handles…], 0 for unused.
void grad(const Napi::CallbackInfo& info) {
  Environment& state = beginPass(info);
  const variable_list outputs = readTensors(state);
  const variable_list inputs = readTensors(state);
  const variable_list gradients = readTensors(state);
  const variable_list results = torch::autograd::grad(outputs, inputs, gradients, boolArgument(info, 0),
                                                      boolArgument(info, 1), boolArgument(info, 2));
  state.wire.at = 0;
  for (const at::Tensor& result : results) state.wire.put(result.defined() ? state.handles.add(result) : 0);
}

// gradient(handle) -> handle, or 0 if there is none
Handle gradient(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = tensorArgument(info, 0).grad();
  return tensor.defined() ? environmentOf(info).handles.add(tensor) : 0;
}

// setGradient(handle, gradient): 0 clears it.
void setGradient(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = tensorArgument(info, 0);
  const at::Tensor value = numberArgument(info, 1) == 0 ? at::Tensor() : tensorArgument(info, 1);
  if (value.defined() && (value.sizes() != tensor.sizes() || value.device() != tensor.device() ||
                          value.scalar_type() != tensor.scalar_type())) {
    throw Fault("Shape", "a gradient must have its tensor's shape, dtype and device");
  }
  tensor.mutable_grad() = value;
}

// gradientName(handle) -> the function behind a computed tensor, such as AddBackward0; empty for a leaf
std::string gradientName(const Napi::CallbackInfo& info) {
  const auto& function = tensorArgument(info, 0).grad_fn();
  return function ? function->name() : "";
}

// setRequiresGrad(handle, flag)
void setRequiresGrad(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = tensorArgument(info, 0);
  const bool flag = boolArgument(info, 1);
  if (flag && !tensor.is_floating_point() && !tensor.is_complex()) {
    throw Fault("Type", "only floating-point and complex tensors can require gradients");
  }
  if (!flag && !tensor.is_leaf()) {
    throw Fault("Argument", "only a leaf can stop requiring gradients; use detach() on a computed tensor");
  }
  tensor.set_requires_grad(flag);
}

// setGradMode(enabled) -> the previous mode
bool setGradMode(const Napi::CallbackInfo& info) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(boolArgument(info, 0));
  return before;
}

bool gradMode(const Napi::CallbackInfo&) { return at::GradMode::is_enabled(); }

// enterInferenceMode(enabled), until the matching leaveInferenceMode()
void enterInferenceMode(const Napi::CallbackInfo& info) {
  environmentOf(info).inference.emplace_back(boolArgument(info, 0));
}

void leaveInferenceMode(const Napi::CallbackInfo& info) {
  if (environmentOf(info).inference.empty()) throw Fault("Argument", "inference mode was not entered");
  environmentOf(info).inference.pop_back();
}

bool inferenceMode(const Napi::CallbackInfo&) { return c10::InferenceMode::is_enabled(); }

// autocast(device type) -> the dtype it casts to; -1 - dtype while it is off
int autocast(const Napi::CallbackInfo& info) {
  const auto device = static_cast<c10::DeviceType>(numberArgument(info, 0));
  const int dtype = static_cast<int>(at::autocast::get_autocast_dtype(device));
  return at::autocast::is_autocast_enabled(device) ? dtype : -1 - dtype;
}

// setAutocast(device type, enabled, dtype, leaving): the cached casts are dropped when the outermost autocast ends.
void setAutocast(const Napi::CallbackInfo& info) {
  const auto device = static_cast<c10::DeviceType>(numberArgument(info, 0));
  at::autocast::set_autocast_enabled(device, boolArgument(info, 1));
  at::autocast::set_autocast_dtype(device, static_cast<c10::ScalarType>(numberArgument(info, 2)));
  if (!boolArgument(info, 3)) at::autocast::increment_nesting();
  else if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

}  // namespace

void exportAutograd(Exports& exports) {
  exports.add<backward>("backward");
  exports.add<grad>("grad");
  exports.add<gradient>("gradient");
  exports.add<setGradient>("setGradient");
  exports.add<gradientName>("gradientName");
  exports.add<setRequiresGrad>("setRequiresGrad");
  exports.add<setGradMode>("setGradMode");
  exports.add<gradMode>("gradMode");
  exports.add<enterInferenceMode>("enterInferenceMode");
  exports.add<leaveInferenceMode>("leaveInferenceMode");
  exports.add<inferenceMode>("inferenceMode");
  exports.add<autocast>("autocast");
  exports.add<setAutocast>("setAutocast");
}

}  // namespace tessera
