#include "dispatch.h"

#include <utility>

#include "environment.h"

namespace tessera {

namespace {

Plan planFor(const c10::OperatorHandle& handle) {
  const c10::FunctionSchema& schema = handle.schema();
  Plan plan{handle, {}, {}, Shortcut(handle), RandomUse(handle)};
  for (const c10::Argument& argument : schema.arguments()) plan.arguments.push_back(valueTypeOf(argument));
  for (const c10::Argument& result : schema.returns()) {
    plan.inPlace.push_back(result.alias_info() != nullptr && result.alias_info()->isWrite());
  }
  return plan;
}

[[gnu::noinline]] void callRandom(const Plan& plan, c10::Stack& stack) {
  const DefaultGenerators mine(plan.random.in(stack));
  plan.handle.callBoxed(stack);
}

void writeResults(Environment& state, const Plan& plan, c10::Stack& stack) {
  Wire& out = state.wire;
  out.at = 0;
  for (size_t i = 0; i < stack.size(); ++i) {
    if (i < plan.inPlace.size() && plan.inPlace[i]) continue;
    writeValue(state.handles, out, std::move(stack[i]));
  }
}

}  // namespace

Napi::Value resolve(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  const std::string name = textArgument(info, 0);
  const std::string overload = textArgument(info, 1);
  const auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!handle) {
    throw Fault("MissingOperator", "this libtorch has no operator " + name + (overload.empty() ? "" : "." + overload));
  }
  state.plans.push_back(planFor(*handle));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("id", static_cast<double>(state.plans.size() - 1));
  result.Set("schema", c10::toString(handle->schema()));
  return result;
}

napi_value call(napi_env env, Environment& state) {
  Wire& in = state.wire;
  in.at = 0;
  const size_t id = in.count();
  const size_t given = in.count();
  if (id >= state.plans.size()) throw Fault("Argument", "unknown call plan");
  // Stays valid even if a hook resolves another operator in the meantime: plans are kept in a deque.
  const Plan& plan = state.plans[id];
  if (std::optional<at::Tensor> result = plan.shortcut.call(state.handles, in, given)) {
    in.at = 0;
    if (!result->defined()) in.put(Tag::None);
    else in.put(Tag::Tensor, state.handles.add(*std::move(result)));
    return nullptr;
  }
  c10::Stack stack = std::exchange(state.stack, {});
  for (size_t i = 0; i < plan.arguments.size(); ++i) {
    stack.push_back(i < given ? readArgument(state, in, plan.arguments[i]) : defaultOf(plan.arguments[i]));
  }
  if (plan.random.possible()) callRandom(plan, stack);
  else plan.handle.callBoxed(stack);
  size_t needed = 0;
  for (const c10::IValue& value : stack) needed += measureValue(value);
  if (needed > state.wire.capacity) {
    state.pending = std::move(stack);
    state.pending.emplace_back(static_cast<int64_t>(id));
    return Napi::Number::New(env, static_cast<double>(needed));
  }
  writeResults(state, plan, stack);
  stack.clear();
  state.stack = std::move(stack);
  return nullptr;
}

void results(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  c10::Stack stack = std::exchange(state.pending, {});
  const size_t id = static_cast<size_t>(stack.back().toInt());
  stack.pop_back();
  writeResults(state, state.plans[id], stack);
}

Napi::Value schemas(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto handle = c10::Dispatcher::singleton().findSchema(name);
    if (!handle) continue;
    list.Set(list.Length(), c10::toString(handle->schema()));
  }
  return list;
}

}  // namespace tessera
