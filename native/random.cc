// Random number generators: seeds and states.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <mutex>

#include "exports.h"

namespace tessera {

namespace {

at::Generator& generatorOf(const Napi::CallbackInfo& info) {
  Environment& state = environmentOf(info);
  const size_t index = static_cast<size_t>(numberArgument(info, 0));
  if (index >= state.generators.size()) throw Fault("Foreign", "the generator belongs to another thread");
  return state.generators[index];
}

uint64_t seedArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsBigInt()) throw Fault("Argument", "expected a bigint seed");
  bool lossless = false;
  return info[index].As<Napi::BigInt>().Uint64Value(&lossless);
}

size_t store(const Napi::CallbackInfo& info, at::Generator generator) {
  std::vector<at::Generator>& generators = environmentOf(info).generators;
  generators.push_back(std::move(generator));
  return generators.size() - 1;
}

// newGenerator(device) -> index
size_t newGenerator(const Napi::CallbackInfo& info) {
  const c10::Device device(textArgument(info, 0));
  if (device.is_cpu()) return store(info, at::detail::createCPUGenerator());
  return store(info, at::globalContext().getAcceleratorHooksInterface(device.type()).getNewGenerator(device.index()));
}

// defaultGenerator(device) -> index
size_t defaultGenerator(const Napi::CallbackInfo& info) {
  return store(info, at::globalContext().defaultGenerator(c10::Device(textArgument(info, 0))));
}

// seedGenerator(index, seed: bigint)
void seedGenerator(const Napi::CallbackInfo& info) {
  at::Generator& generator = generatorOf(info);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seedArgument(info, 1));
}

// generatorSeed(index) -> bigint
Napi::Value generatorSeed(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), generatorOf(info).current_seed());
}

// generatorState(index) -> handle of a uint8 tensor
Handle generatorState(const Napi::CallbackInfo& info) {
  at::Generator& generator = generatorOf(info);
  std::lock_guard<std::mutex> lock(generator.mutex());
  return environmentOf(info).handles.add(generator.get_state());
}

void setGeneratorState(const Napi::CallbackInfo& info) {
  at::Generator& generator = generatorOf(info);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(tensorArgument(info, 1));
}

// manualSeed(seed: bigint): the default generators of all devices
void manualSeed(const Napi::CallbackInfo& info) { at::manual_seed(seedArgument(info, 0)); }

}  // namespace

void exportRandom(Exports& exports) {
  exports.add<newGenerator>("newGenerator");
  exports.add<defaultGenerator>("defaultGenerator");
  exports.add<seedGenerator>("seedGenerator");
  exports.add<generatorSeed>("generatorSeed");
  exports.add<generatorState>("generatorState");
  exports.add<setGeneratorState>("setGeneratorState");
  exports.add<manualSeed>("manualSeed");
}

}  // namespace tessera
