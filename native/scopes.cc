// Scopes, disposal and adoption, as TypeScript calls them.
#include "exports.h"

namespace tessera {

namespace {

napi_value openScope(napi_env, Environment& state) {
  state.handles.openScope();
  return nullptr;
}

// closeScope(): wire [count, handles…] are the survivors.
napi_value closeScope(napi_env, Environment& state) {
  state.wire.at = 0;
  const size_t count = state.wire.count();
  if (count >= state.wire.capacity) throw Fault("Argument", "more survivors than the wire holds");
  state.handles.closeScope(state.wire.data + 1, count);
  return nullptr;
}

void dispose(const Napi::CallbackInfo& info) { environmentOf(info).handles.dispose(numberArgument(info, 0)); }

// adopt(handle, object): makes the garbage collector the tensor's owner.
void adopt(const Napi::CallbackInfo& info) {
  if (!info[1].IsObject()) throw Fault("Argument", "expected the tensor's object");
  environmentOf(info).handles.adopt(numberArgument(info, 0), info[1]);
}

bool alive(const Napi::CallbackInfo& info) { return environmentOf(info).handles.alive(numberArgument(info, 0)); }

// liveTensors() -> handles
Napi::Value liveTensors(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (const Handle handle : environmentOf(info).handles.all()) list.Set(list.Length(), handle);
  return list;
}

// setWire(Float64Array): the memory that calls are written to; TypeScript keeps the array alive.
void setWire(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) throw Fault("Argument", "expected a Float64Array");
  auto array = info[0].As<Napi::Float64Array>();
  environmentOf(info).wire = Wire{array.Data(), array.ElementLength(), 0};
}

}  // namespace

void exportScopes(Exports& exports) {
  exports.addHot<openScope>("openScope");
  exports.addHot<closeScope>("closeScope");
  exports.add<dispose>("dispose");
  exports.add<adopt>("adopt");
  exports.add<alive>("alive");
  exports.add<liveTensors>("liveTensors");
  exports.add<setWire>("setWire");
}

}  // namespace tessera
