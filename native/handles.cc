#include "handles.h"

#include "errors.h"

namespace tessera {

namespace {
constexpr uint64_t kSlotBits = 22;
constexpr uint64_t kGenerationBits = 23;
constexpr uint64_t kSlots = 1ull << kSlotBits;
constexpr uint32_t kGenerations = 1u << kGenerationBits;
// Sweeping visits every adopted tensor, so it waits until this much was allocated since the last sweep.
constexpr int64_t kSweepBytes = 64 << 20;
// A JS object, a slot and a libtorch tensor exist for every handle, however small its storage.
constexpr int64_t kHandleBytes = 1024;
}  // namespace

Handle HandleTable::handleOf(size_t slot) const {
  const uint64_t generation = this->slot(slot).generation;
  return static_cast<Handle>((((static_cast<uint64_t>(environment_) << kGenerationBits) | generation) << kSlotBits) | slot);
}

size_t HandleTable::locate(Handle handle) const noexcept {
  if (!(handle >= 0 && handle < 9007199254740992.0)) return kNowhere;
  const uint64_t bits = static_cast<uint64_t>(handle);
  const uint64_t slot = bits & (kSlots - 1);
  const uint64_t generation = (bits >> kSlotBits) & (kGenerations - 1);
  const uint64_t environment = bits >> (kSlotBits + kGenerationBits);
  if (environment != environment_ || slot >= slots_) return kNowhere;
  const Slot& found = this->slot(slot);
  return found.generation == generation && found.tensor.defined() ? slot : kNowhere;
}

size_t HandleTable::find(Handle handle) const {
  const size_t slot = locate(handle);
  if (slot != kNowhere) return slot;
  const bool valid = handle > 0 && handle < 9007199254740992.0;
  const uint64_t environment = valid ? static_cast<uint64_t>(handle) >> (kSlotBits + kGenerationBits) : environment_;
  if (environment != environment_) throw Fault("Foreign", "the tensor belongs to another thread");
  throw Fault("Disposed", "the tensor was disposed, or the scope it was made in has ended");
}

Handle HandleTable::add(at::Tensor tensor) {
  size_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else {
    if (slots_ == kSlots) throw Fault("OutOfMemory", "4,194,304 tensors are alive, which is the maximum");
    index = slots_++;
    if (index >> kChunkBits == chunks_.size()) chunks_.push_back(std::make_unique<Slot[]>(size_t{1} << kChunkBits));
  }
  Slot& slot = this->slot(index);
  slot.tensor = std::move(tensor);
  slot.scope = static_cast<uint32_t>(scopes_.size());
  ++live_;
  const Handle handle = handleOf(index);
  if (!scopes_.empty()) members_.push_back(handle);
  return handle;
}

void HandleTable::release(size_t index) {
  Slot& slot = this->slot(index);
  if (slot.reference != nullptr) {
    napi_delete_reference(env_, slot.reference);
    slot.reference = nullptr;
    int64_t total;
    napi_adjust_external_memory(env_, -slot.bytes, &total);
  }
  // The destructor may destroy a whole graph; it must find the slot already empty.
  at::Tensor dying = std::move(slot.tensor);
  slot.tensor = at::Tensor();
  slot.scope = 0;
  --live_;
  // A slot that has used up its generations is retired, so that no old handle can ever match again.
  if (++slot.generation < kGenerations) free_.push_back(static_cast<uint32_t>(index));
}

void HandleTable::closeScope(const Handle* survivors, size_t count) {
  if (scopes_.empty()) throw Fault("Argument", "no scope is open");
  const uint32_t depth = static_cast<uint32_t>(scopes_.size());
  const size_t start = scopes_.back();
  scopes_.pop_back();
  for (size_t i = 0; i < count; ++i) {
    const size_t index = locate(survivors[i]);
    if (index != kNowhere && slot(index).scope == depth) slot(index).scope = depth - 1;
  }
  const size_t end = members_.size();
  size_t kept = start;
  for (size_t i = start; i < end; ++i) {
    const Handle handle = members_[i];
    const size_t index = locate(handle);
    if (index == kNowhere) continue;
    if (slot(index).scope == depth) {
      release(index);
    } else if (depth > 1 && slot(index).scope == depth - 1) {
      members_[kept++] = handle;
    }
  }
  members_.resize(kept);
}

void HandleTable::adopt(Handle handle, napi_value object) {
  const size_t index = find(handle);
  Slot& slot = this->slot(index);
  slot.scope = 0;
  if (slot.reference != nullptr) return;
  const at::Tensor& tensor = slot.tensor;
  const bool owner = tensor.has_storage() && tensor.storage().use_count() == 1;
  slot.bytes = kHandleBytes + (owner ? static_cast<int64_t>(tensor.storage().nbytes()) : 0);
  if (napi_create_reference(env_, object, 0, &slot.reference) != napi_ok) {
    slot.reference = nullptr;
    throw Fault("Argument", "expected the tensor's object");
  }
  int64_t total;
  napi_adjust_external_memory(env_, slot.bytes, &total);
  adopted_.push_back(handle);
  bornSinceSweep_ += slot.bytes;
  if (bornSinceSweep_ >= kSweepBytes) sweep();
}

std::vector<Handle> HandleTable::all() {
  sweep();
  std::vector<Handle> handles;
  for (size_t i = 0; i < slots_; ++i) {
    if (slot(i).tensor.defined()) handles.push_back(handleOf(i));
  }
  return handles;
}

void HandleTable::clear() {
  for (size_t i = 0; i < slots_; ++i) {
    if (slot(i).tensor.defined()) release(i);
  }
}

void HandleTable::sweep() {
  bornSinceSweep_ = 0;
  size_t kept = 0;
  for (const Handle handle : adopted_) {
    const size_t index = locate(handle);
    if (index == kNowhere || slot(index).reference == nullptr) continue;
    napi_value object = nullptr;
    napi_get_reference_value(env_, slot(index).reference, &object);
    if (object == nullptr) {
      release(index);
    } else {
      adopted_[kept++] = handle;
    }
  }
  adopted_.resize(kept);
}

}  // namespace tessera
