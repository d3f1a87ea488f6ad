// Counts what libtorch allocates on the CPU.
#pragma once

#include <cstdint>

namespace tessera {

// Puts the counting allocator in place, once per process, before the first tensor.
void installCountingAllocator();
int64_t cpuBytes();
int64_t cpuPeakBytes();

}  // namespace tessera
