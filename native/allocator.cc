#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>

#include <atomic>
#include <limits>
#include <mutex>

namespace tessera {

namespace {

std::atomic<int64_t> bytes{0};
std::atomic<int64_t> peak{0};
std::atomic<int64_t> budget{std::numeric_limits<int64_t>::max()};

void freeCounted(void* data) {
  if (data == nullptr) return;
  bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(data)), std::memory_order_relaxed);
  c10::free_cpu(data);
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    // The system hands out more than there is and kills the process that touches it: better to refuse in time.
    const int64_t held = bytes.load(std::memory_order_relaxed);
    const int64_t most = budget.load(std::memory_order_relaxed);
    TORCH_CHECK_WITH(OutOfMemoryError, static_cast<int64_t>(size) <= most - held, "out of memory on the CPU: ", size,
                     " bytes more than the ", held, " in use would exceed the budget of ", most);
    void* data = c10::alloc_cpu(size);
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
