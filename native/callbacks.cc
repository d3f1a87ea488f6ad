// JavaScript inside a backward pass: hooks on tensors, and operators whose gradient is written in JavaScript.
#include <ATen/core/Tensor.h>
#include <c10/core/AutogradState.h>
#include <torch/csrc/autograd/anomaly_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <thread>

#include "exports.h"

namespace tessera {

namespace {

using torch::autograd::variable_list;

// Tensors that a call into JavaScript creates, on both sides, are freed when it ends.
struct Frame {
  explicit Frame(Environment& state) : state(state) { state.handles.openScope(), ++state.nested; }
  ~Frame() { --state.nested, state.handles.closeScope(nullptr, 0); }
  Environment& state;
};

// A JavaScript function that lives as long as the graph refers to it, and is called only on its own thread. Graphs may
// outlive the environment or be destroyed on another thread: the reference then cannot be released.
class Callback : public torch::autograd::PostAccumulateGradHook {
 public:
  Callback(napi_env env, Environment& state, napi_value function)
      : env_(env), state_(&state), alive_(state.alive), thread_(std::this_thread::get_id()) {
    if (napi_create_reference(env, function, 1, &reference_) != napi_ok) throw Fault("Argument", "expected a function");
    // The engine would run the callback on a separate thread for each device.
    c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
  }
  ~Callback() override {
    if (std::this_thread::get_id() == thread_ && *alive_) napi_delete_reference(env_, reference_);
  }
  Callback(const Callback&) = delete;

  // wire [count, handles…] in both directions, 0 for an undefined tensor. An error thrown by JavaScript stays pending
  // and ends the backward pass.
  variable_list call(const variable_list& tensors) const {
    if (std::this_thread::get_id() != thread_ || !*alive_) throw Fault("Thread", "JavaScript was called on another thread");
    const Napi::HandleScope scope(env_);
    const Frame frame(*state_);
    Wire& wire = state_->wire;
    wire.at = 0;
    wire.put(static_cast<double>(tensors.size()));
    for (const at::Tensor& tensor : tensors) wire.put(tensor.defined() ? state_->handles.add(tensor) : 0);
    napi_value function, receiver;
    napi_get_reference_value(env_, reference_, &function);
    napi_get_undefined(env_, &receiver);
    if (napi_call_function(env_, receiver, function, 0, nullptr, nullptr) != napi_ok) {
      throw Fault("Pending", "a JavaScript callback threw");
    }
    wire.at = 0;
    return readTensors(*state_);
  }
  void operator()(const at::Tensor&) override { call({}); }

 private:
  napi_env env_;
  Environment* state_;
  std::shared_ptr<bool> alive_;
  std::thread::id thread_;
  napi_ref reference_ = nullptr;
};

struct CustomFunction final : torch::autograd::Node {
  std::shared_ptr<Callback> backward;
  std::vector<torch::autograd::SavedVariable> saved;
  std::string title;

  variable_list apply(variable_list&& gradients) override {
    for (torch::autograd::SavedVariable& variable : saved) gradients.push_back(variable.unpack(getptr()));
    variable_list results = backward->call(gradients);
    if (results.size() != num_outputs()) throw Fault("Argument", title + ": backward must return one gradient for each tensor");
    return results;
  }
  void release_variables() override {
    for (torch::autograd::SavedVariable& variable : saved) variable.reset_data();
  }
  std::string name() const override { return title; }
};

// libtorch 2.13 and later count references to nodes inside them, earlier versions in shared pointers; it matters only here.
template <class Node>
auto makeNode() {
  if constexpr (std::is_base_of_v<c10::intrusive_ptr_target, Node>) return c10::make_intrusive<Node>();
  else return std::shared_ptr<Node>(new Node(), [](Node* node) { deleteNode(node); });
}

// registerHook(handle, callback) -> number: the callback takes [gradient] and returns [] or [another gradient].
unsigned registerHook(const Napi::CallbackInfo& info) {
  const auto callback = std::make_shared<Callback>(info.Env(), environmentOf(info), info[1]);
  return tensorArgument(info, 0).register_hook([callback](at::Tensor gradient) {
    const variable_list results = callback->call({gradient});
    return results.empty() ? at::Tensor() : results[0];
  });
}

void removeHook(const Napi::CallbackInfo& info) {
  tensorArgument(info, 0).remove_hook(static_cast<unsigned>(numberArgument(info, 1)));
}

// setAccumulationHook(handle, callback): called without tensors after backward has added to the leaf's gradient; null ends it.
void setAccumulationHook(const Napi::CallbackInfo& info) {
  auto hook = info[1].IsNull() ? nullptr : std::make_unique<Callback>(info.Env(), environmentOf(info), info[1]);
  torch::autograd::impl::set_post_acc_grad_hooks(tensorArgument(info, 0), std::move(hook));
}

// setHistory(callback, name): wire [inputs, outputs, saved]. The callback computes the gradient: it takes the outputs'
// gradients and the saved tensors, and returns the inputs' gradients.
void setHistory(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  state.wire.at = 0;
  const variable_list inputs = readTensors(state);
  const variable_list outputs = readTensors(state);
  const variable_list saved = readTensors(state);
  auto node = makeNode<CustomFunction>();
  node->backward = std::make_shared<Callback>(info.Env(), state, info[0]);
  node->title = textArgument(info, 1);
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  for (const at::Tensor& output : outputs) torch::autograd::set_history(output, node);
  for (const at::Tensor& tensor : saved) {
    const bool own = std::any_of(outputs.begin(), outputs.end(), [&](const at::Tensor& o) { return o.is_same(tensor); });
    node->saved.emplace_back(tensor, own);
  }
}

// setAnomalyDetection(enabled): backward then names the operator that produced NaN.
bool setAnomalyDetection(const Napi::CallbackInfo& info) {
  const bool before = torch::autograd::AnomalyMode::is_enabled();
  torch::autograd::AnomalyMode::set_enabled(boolArgument(info, 0));
  return before;
}

}  // namespace

void exportCallbacks(Exports& exports) {
  exports.add<registerHook>("registerHook");
  exports.add<removeHook>("removeHook");
  exports.add<setAccumulationHook>("setAccumulationHook");
  exports.add<setHistory>("setHistory");
  exports.add<setAnomalyDetection>("setAnomalyDetection");
}

}  // namespace tessera
