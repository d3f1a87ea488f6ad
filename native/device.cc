// Threads, and the libtorch version that the addon was built against.
#include <ATen/Parallel.h>
#include <torch/version.h>

#include "exports.h"

namespace tessera {

namespace {

void setNumThreads(const Napi::CallbackInfo& info) {
  const double count = numberArgument(info, 0);
  if (!(count >= 1 && count <= 1024)) throw Fault("Argument", "the number of threads must be between 1 and 1024");
  at::set_num_threads(static_cast<int>(count));
}

int getNumThreads(const Napi::CallbackInfo&) { return at::get_num_threads(); }

// The libtorch whose headers the addon was compiled against.
std::string builtAgainst(const Napi::CallbackInfo&) { return TORCH_VERSION; }

}  // namespace

void exportDevice(Exports& exports) {
  exports.add<setNumThreads>("setNumThreads");
  exports.add<getNumThreads>("getNumThreads");
  exports.add<builtAgainst>("builtAgainst");
}

}  // namespace tessera
