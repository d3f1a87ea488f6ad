// Process groups for JavaScript: libtorch's c10d. Groups, works and reducers are externals, freed with their
// JavaScript objects.
#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "../exports.h"

namespace tessera {

// Calls body; an exception of libtorch or gloo becomes a Fault of the kind, or of the one that c10d itself names.
template <class Body>
auto distributed(const char* kind, Body&& body) {
  try {
    return body();
  } catch (const Fault&) {
    throw;
  } catch (const c10::DistStoreError& e) {
    throw Fault("DistStore", e.what_without_backtrace());
  } catch (const c10::DistNetworkError& e) {
    throw Fault("DistNetwork", e.what_without_backtrace());
  } catch (const c10::Error& e) {
    throw Fault(kind, e.what_without_backtrace());
  } catch (const std::exception& e) {
    throw Fault(kind, e.what());
  }
}

template <class Object>
Napi::Value externalOf(Napi::Env env, c10::intrusive_ptr<Object> object) {
  using Held = c10::intrusive_ptr<Object>;
  return Napi::External<Held>::New(env, new Held(std::move(object)), [](Napi::Env, Held* held) { delete held; });
}

template <class Object>
c10::intrusive_ptr<Object>& externalArgument(const Napi::CallbackInfo& info, size_t index, const char* expected) {
  if (!info[index].IsExternal()) throw Fault("Argument", std::string("expected ") + expected);
  return *info[index].As<Napi::External<c10::intrusive_ptr<Object>>>().Data();
}

inline c10::intrusive_ptr<c10d::ProcessGroup>& groupArgument(const Napi::CallbackInfo& info, size_t index) {
  auto& group = externalArgument<c10d::ProcessGroup>(info, index, "a process group");
  if (!group) throw Fault("Disposed", "the process group was destroyed");
  return group;
}

inline std::chrono::milliseconds millisecondsArgument(const Napi::CallbackInfo& info, size_t index) {
  return std::chrono::milliseconds(static_cast<int64_t>(numberArgument(info, index)));
}

inline std::vector<at::Tensor> tensorsOnWire(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  state.wire.at = 0;
  return readTensors(state);
}

void exportGroups(Exports& exports);
void exportCollectives(Exports& exports);
void exportReducer(Exports& exports);

}  // namespace tessera
