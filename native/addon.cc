// Module init: one Environment for each Node environment, and the table of exports.
#include <napi.h>

#include <atomic>

#include "memory/allocator.h"
#include "exports.h"

using namespace tessera;

static Napi::Object init(Napi::Env env, Napi::Object object) {
  installCountingAllocator();
  static std::atomic<uint32_t> environments{0};
  Environment* state = new Environment(env, environments.fetch_add(1));
  env.SetInstanceData(state);  // deleted when the environment ends, and with it every tensor still alive
  Exports exports{env, object, state};
  exports.addHot<call>("call");
  exports.add<results>("results");
  exports.add<resolve>("resolve");
  exports.add<schemas>("schemas");
  for (const auto part : {exportScopes, exportStorage, exportAutograd, exportCallbacks, exportRandom, exportDevice,
                          exportMemory, exportProfiler, exportCuda, exportDistributed}) {
    part(exports);
  }
  return object;
}
NODE_API_MODULE(tessera, init)
