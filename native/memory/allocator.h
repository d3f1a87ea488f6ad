// Counts libtorch's allocations on the CPU, and refuses those that exceed a budget.
#pragma once

#include <cstdint>

namespace tessera {

// Installs the counting allocator, once per process, before the first tensor.
void installCountingAllocator();
void setCpuBudget(int64_t limit);
int64_t cpuBytes();
int64_t cpuPeakBytes();

}  // namespace tessera
