// Scopes, disposal and adoption, as TypeScript calls them.
#include "environment.h"
#include "errors.h"
#include "exports.h"

namespace tessera {

namespace {

Environment& stateOf(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return *static_cast<Environment*>(data);
}

napi_value openScope(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    stateOf(env, info).handles.openScope();
    return nullptr;
  });
}

// closeScope(): wire [count, handles…] are the survivors.
napi_value closeScope(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Environment& state = stateOf(env, info);
    state.wire.at = 0;
    const size_t count = state.wire.count();
    if (count >= state.wire.capacity) throw Fault("Argument", "more survivors than the wire holds");
    state.handles.closeScope(env, state.wire.data + 1, count);
    return nullptr;
  });
}

// dispose(handle)
Napi::Value dispose(const Napi::CallbackInfo& info) {
  environmentOf(info).handles.dispose(info.Env(), numberArgument(info, 0));
  return info.Env().Undefined();
}

// adopt(handle, object): from now on the garbage collector owns the tensor.
Napi::Value adopt(const Napi::CallbackInfo& info) {
  if (!info[1].IsObject()) throw Fault("Argument", "expected the tensor's object");
  environmentOf(info).handles.adopt(info.Env(), numberArgument(info, 0), info[1]);
  return info.Env().Undefined();
}

// alive(handle) -> boolean
Napi::Value alive(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), environmentOf(info).handles.alive(numberArgument(info, 0)));
}

// setWire(Float64Array): the memory that calls are written to; TypeScript keeps the array alive.
Napi::Value setWire(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) throw Fault("Argument", "expected a Float64Array");
  auto array = info[0].As<Napi::Float64Array>();
  environmentOf(info).wire = Wire{array.Data(), array.ElementLength(), 0};
  return info.Env().Undefined();
}

}  // namespace

void exportScopes(Exports& exports) {
  exports.add("openScope", openScope);
  exports.add("closeScope", closeScope);
  exports.add<dispose>("dispose");
  exports.add<adopt>("adopt");
  exports.add<alive>("alive");
  exports.add<setWire>("setWire");
}

}  // namespace tessera
