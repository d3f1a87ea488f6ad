#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>

#include <atomic>
#include <limits>
#include <mutex>
#include <new>
#include <utility>

namespace tessera {

namespace {

std::atomic<int64_t> bytes{0};
std::atomic<int64_t> peak{0};
std::atomic<int64_t> budget{std::numeric_limits<int64_t>::max()};

// Small blocks are cached per thread for reuse: glibc's aligned allocation bypasses its own cache, and takes as long as
// everything else that creates a small tensor.
constexpr size_t kStep = 64;  // libtorch's alignment
constexpr size_t kSmall = 33 * kStep;
constexpr uint32_t kMostWaiting = TESSERA_SMALL_BLOCKS;
thread_local constinit bool threadEnded = false;
struct Block {
  Block* next;
};
thread_local struct Waiting {
  Block* first[kSmall / kStep] = {};
  uint32_t count[kSmall / kStep] = {};
  ~Waiting() {
    threadEnded = true;
    for (Block* block : first) {
      while (block != nullptr) c10::free_cpu(std::exchange(block, block->next));
    }
  }
} waiting;

void* allocateSmall(size_t kind) {
  if (threadEnded || waiting.count[kind] == 0) return c10::alloc_cpu(kind * kStep);
  --waiting.count[kind];
  return std::exchange(waiting.first[kind], waiting.first[kind]->next);
}

void freeCounted(void* data) {
  if (data == nullptr) return;
  const size_t size = malloc_usable_size(data);
  const size_t kind = size / kStep;
  bytes.fetch_sub(static_cast<int64_t>(size), std::memory_order_relaxed);
  if (size >= kSmall || threadEnded || waiting.count[kind] == kMostWaiting) return c10::free_cpu(data);
  ++waiting.count[kind];
  waiting.first[kind] = new (data) Block{waiting.first[kind]};
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    // The system overcommits memory and kills the process that touches too much: it is better to refuse in time.
    const int64_t held = bytes.load(std::memory_order_relaxed);
    const int64_t most = budget.load(std::memory_order_relaxed);
    TORCH_CHECK_WITH(OutOfMemoryError, static_cast<int64_t>(size) <= most - held, "out of memory on the CPU: ", size,
                     " bytes more than the ", held, " in use would exceed the budget of ", most);
    void* data = size <= kSmall - kStep ? allocateSmall((size + kStep - 1) / kStep) : c10::alloc_cpu(size);
    if (data != nullptr) {
      const int64_t added = static_cast<int64_t>(malloc_usable_size(data));
      const int64_t now = bytes.fetch_add(added, std::memory_order_relaxed) + added;
      int64_t highest = peak.load(std::memory_order_relaxed);
      while (now > highest && !peak.compare_exchange_weak(highest, now, std::memory_order_relaxed)) {
      }
    }
    return {data, data, &freeCounted, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &freeCounted; }
  void copy_data(void* target, const void* source, size_t count) const override {
    default_copy_data(target, source, count);
  }
};

}  // namespace

void installCountingAllocator() {
  static std::once_flag once;
  // Never destroyed: tensors may outlive every static object at exit.
  std::call_once(once, [] { c10::SetCPUAllocator(new CountingAllocator(), /*priority=*/1); });
}

void setCpuBudget(int64_t limit) { budget.store(limit, std::memory_order_relaxed); }
int64_t cpuBytes() { return bytes.load(std::memory_order_relaxed); }
int64_t cpuPeakBytes() { return peak.load(std::memory_order_relaxed); }

}  // namespace tessera
