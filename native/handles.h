// Tensors as JavaScript sees them: numbers. A handle encodes a slot, the generation in which it was filled, and the
// environment it belongs to, so that a stale or foreign handle can never reach another tensor.
#pragma once

#include <ATen/core/Tensor.h>
#include <node_api.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace tessera {

using Handle = double;  // environment (8 bits) | generation (23) | slot (22): exact in a JS number

class HandleTable {
 public:
  HandleTable(napi_env env, uint32_t environment) : env_(env), environment_(environment % 256) {}

  // Returns a new handle for the tensor, owned by the innermost open scope. Throws Fault if all slots are in use.
  Handle add(at::Tensor tensor);
  // Returns the tensor behind a handle; throws Fault for one that was disposed or belongs to another environment. The
  // reference is valid until the tensor is disposed: slots never move.
  const at::Tensor& get(Handle handle) const { return slot(find(handle)).tensor; }
  bool alive(Handle handle) const noexcept { return locate(handle) != kNowhere; }
  void dispose(Handle handle) { release(find(handle)); }

  void openScope() { scopes_.push_back(members_.size()); }
  // Closes the innermost scope: the survivors it owns move to the enclosing one, everything else it owns is freed.
  // Without an enclosing scope survivors have no owner until adopted.
  void closeScope(const Handle* survivors, size_t count);
  size_t scopeDepth() const { return scopes_.size(); }

  // Makes the garbage collector the tensor's owner: it is freed once its JavaScript object is unreachable.
  void adopt(Handle handle, napi_value object);

  size_t live() const { return live_; }
  // Returns the handles of all live tensors, after freeing those whose JavaScript object is gone.
  std::vector<Handle> all();
  // Frees every tensor.
  void clear();

 private:
  struct Slot {
    at::Tensor tensor;
    napi_ref reference = nullptr;  // weak, set for adopted tensors
    int64_t bytes = 0;             // the size that an adopted tensor was counted with
    uint32_t generation = 1;
    uint32_t scope = 0;  // depth of the owning scope; 0 for none
  };

  static constexpr size_t kNowhere = static_cast<size_t>(-1);
  size_t locate(Handle handle) const noexcept;  // the slot, or kNowhere for a stale handle
  size_t find(Handle handle) const;             // the slot; throws a Fault with the reason if there is none
  Handle handleOf(size_t slot) const;
  void release(size_t slot);
  void sweep();

  static constexpr size_t kChunkBits = 10;
  Slot& slot(size_t index) const { return chunks_[index >> kChunkBits][index & ((1u << kChunkBits) - 1)]; }

  napi_env env_;
  uint32_t environment_;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
  size_t slots_ = 0;
  std::vector<uint32_t> free_;
  std::vector<Handle> members_;  // handles owned by open scopes, innermost last
  std::vector<size_t> scopes_;   // start of each open scope in members_
  std::vector<Handle> adopted_;
  size_t live_ = 0;
  int64_t bornSinceSweep_ = 0;
};

}  // namespace tessera
