// A captured CUDA graph, as the addon sees it. libtorch's own class needs the CUDA runtime's headers, so it is accessed
// through a separate library (shim.cc), which the addon opens at run time and which may be missing.
#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>

namespace tessera {

struct Graph {
  virtual ~Graph() = default;
  // Before begin(): registers a generator that the captured work uses, so that it advances with each replay.
  virtual void registerGenerator(const at::Generator& generator) = 0;
  // From here on, work on the current stream is recorded, not run; its memory comes from the pool ({0, 0}: a new one).
  virtual void begin(c10::MempoolId_t pool) = 0;
  virtual void end() = 0;
  virtual void replay() = 0;
  virtual void reset() = 0;
  virtual c10::MempoolId_t pool() = 0;
};

}  // namespace tessera

// Exported by the shim.
extern "C" {
// The libtorch whose headers it was compiled against: the class's layout differs between versions.
const char* tesseraGraphBuiltAgainst();
tessera::Graph* tesseraNewGraph();
}
