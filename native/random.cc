// Random number generators: the default ones, their seeds and states.
#include "random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <algorithm>
#include <thread>

#include "exports.h"

namespace tessera {

namespace {

std::mutex drawing;
// The thread that loads the addon uses the process's own generators.
const std::thread::id first = std::this_thread::get_id();

// For any other thread: the CPU's, then one for each CUDA device.
using Defaults = std::vector<at::Generator>;
thread_local Defaults own;

// This thread's, or null if it uses the process's.
Defaults* ownDefaults() {
  if (std::this_thread::get_id() == first) return nullptr;
  if (own.empty()) own.push_back(at::detail::createCPUGenerator(c10::detail::getNonDeterministicRandom()));
  return &own;
}

void exchange(Defaults& defaults) {
  for (at::Generator& mine : defaults) {
    const c10::Device device = mine.device();
    std::swap(const_cast<at::Generator&>(device.is_cpu() ? at::detail::getDefaultCPUGenerator()
                                                         : at::detail::getCUDAHooks().getDefaultGenerator(device.index())), mine);
  }
}

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
  const DefaultGenerators mine;
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

// manualSeed(seed: bigint): this thread's default generators of all devices
void manualSeed(const Napi::CallbackInfo& info) {
  const uint64_t seed = seedArgument(info, 0);
  if (Defaults* mine = ownDefaults()) {
    for (at::Generator& generator : *mine) generator.set_current_seed(seed);
  } else {
    const DefaultGenerators alone;
    at::manual_seed(seed);
  }
}

}  // namespace

RandomUse::RandomUse(const c10::OperatorHandle& handle) : possible_(handle.hasTag(at::Tag::nondeterministic_seeded)) {
  const auto& arguments = handle.schema().arguments();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i].name();
    if (arguments[i].real_type()->str().find("Generator") != std::string::npos) possible_ = true;
    if (name == "train" || name == "training" || name == "dropout" || name == "dropout_p") switches_.push_back(i);
  }
}

bool RandomUse::in(const c10::Stack& arguments) const {
  for (const c10::IValue& value : arguments) {
    if (value.isGenerator()) return false;
  }
  return std::none_of(switches_.begin(), switches_.end(), [&](size_t i) {
    const c10::IValue& value = arguments[i];
    return value.isDouble() ? value.toDouble() == 0 : value.isBool() && !value.toBool();
  });
}

DefaultGenerators::DefaultGenerators(bool wanted) {
  if (!wanted) return;
  Defaults* mine = ownDefaults();
  lock_ = std::unique_lock(drawing);
  if (mine != nullptr) exchange(*mine);
}

DefaultGenerators::~DefaultGenerators() {
  if (!lock_.owns_lock()) return;
  if (Defaults* mine = ownDefaults()) exchange(*mine);
}

void addCudaGenerators() {
  Defaults* mine = ownDefaults();
  const auto& cuda = at::detail::getCUDAHooks();
  while (mine != nullptr && mine->size() <= static_cast<size_t>(cuda.deviceCount())) {
    mine->push_back(cuda.getNewGenerator(static_cast<c10::DeviceIndex>(mine->size() - 1)));
    mine->back().set_current_seed(mine->front().current_seed());
  }
}

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
