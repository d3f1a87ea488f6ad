// Records the operators of a thread with libtorch's profiler, the one of Python's torch.profiler.
#include <torch/csrc/autograd/profiler_kineto.h>

#include "../exports.h"

namespace tessera {

namespace {

namespace profiler = torch::autograd::profiler;

const std::set<profiler::ActivityType> kActivities{profiler::ActivityType::CPU};

void startProfiler(const Napi::CallbackInfo&) {
  if (profiler::profilerEnabled()) throw Fault("Runtime", "this thread is being profiled already: end that profile first");
  const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO);
  profiler::prepareProfiler(config, kActivities);
  profiler::enableProfiler(config, kActivities);
}

// stopProfiler() -> { names: string[], events: Float64Array of 4 numbers each: index of the name, thread, and start and
// end in nanoseconds since the start of the profile }
Napi::Value stopProfiler(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto result = profiler::disableProfiler();
  const auto& events = result->events();
  std::unordered_map<std::string, uint32_t> indices;
  Napi::Array names = Napi::Array::New(env);
  Napi::Float64Array numbers = Napi::Float64Array::New(env, 4 * events.size());
  size_t at = 0;
  for (const auto& event : events) {
    const auto [entry, added] = indices.try_emplace(event.name(), static_cast<uint32_t>(indices.size()));
    if (added) names.Set(entry->second, entry->first);
    numbers[at++] = entry->second;
    numbers[at++] = static_cast<double>(event.startThreadId());
    for (const uint64_t time : {event.startNs(), event.endNs()}) {
      numbers[at++] = static_cast<double>(static_cast<int64_t>(time - result->trace_start_ns()));
    }
  }
  Napi::Object found = Napi::Object::New(env);
  found.Set("names", names);
  found.Set("events", numbers);
  return found;
}

}  // namespace

void exportProfiler(Exports& exports) {
  exports.add<startProfiler>("startProfiler");
  exports.add<stopProfiler>("stopProfiler");
}

}  // namespace tessera
