// Counts what libtorch allocates on the CPU, and refuses what exceeds a budget.
#pragma once

#include <cstdint>

namespace tessera {

// Puts the counting allocator in place, once per process, before the first tensor.
void installCountingAllocator();
void setCpuBudget(int64_t limit);
int64_t cpuBytes();
int64_t cpuPeakBytes();

}  // namespace tessera
