// Signatures of the most frequent operators, called without boxing: 70–100 ns less than the boxed call if nothing is
// recorded (npm run bench -- ops). The choice depends on the signature, never on the operator; other calls are boxed.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>

#include "handles.h"
#include "wire.h"

namespace tessera {

class Shortcut {
 public:
  explicit Shortcut(const c10::OperatorHandle& handle);
  // Runs the call whose `given` arguments are on the wire, if they have the signature's plain form; otherwise leaves
  // the wire unchanged and returns nothing.
  std::optional<at::Tensor> call(const HandleTable& handles, Wire& in, size_t given) const;

 private:
  using Unary = at::Tensor(const at::Tensor&);
  using Binary = at::Tensor(const at::Tensor&, const at::Tensor&);
  using Weighted = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Scalar&);
  using Shaped = at::Tensor(const at::Tensor&, c10::SymIntArrayRef);

  size_t given_ = 0;  // the number of arguments of the plain form; 0 if there is no shortcut
  std::optional<c10::TypedOperatorHandle<Unary>> unary_;
  std::optional<c10::TypedOperatorHandle<Binary>> binary_;
  std::optional<c10::TypedOperatorHandle<Weighted>> weighted_;
  std::optional<c10::TypedOperatorHandle<Shaped>> shaped_;
  at::Scalar weight_;
};

}  // namespace tessera
