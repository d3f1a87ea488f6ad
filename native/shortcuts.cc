#include "shortcuts.h"

namespace tessera {

namespace {

bool isPlainTensor(const c10::Argument& argument) {
  const bool written = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
  return argument.real_type()->kind() == c10::TypeKind::TensorType && !written;
}

}  // namespace

Shortcut::Shortcut(const c10::OperatorHandle& handle) {
  const auto& arguments = handle.schema().arguments();
  const auto& returns = handle.schema().returns();
  if (returns.size() != 1 || !isPlainTensor(returns[0]) || arguments.empty() || arguments.size() > 3) return;
  const bool weighted = arguments.size() == 3 && arguments[2].default_value() && arguments[2].default_value()->isInt() &&
                        arguments[2].real_type()->kind() == c10::TypeKind::NumberType;
  const size_t tensors = weighted ? 2 : arguments.size();
  if (tensors > 2) return;
  for (size_t i = 0; i < tensors; ++i) {
    if (!isPlainTensor(arguments[i])) return;
  }
  try {
    if (weighted) {
      weight_ = arguments[2].default_value()->toScalar();
      weighted_ = handle.typed<Weighted>();
    } else if (tensors == 2) {
      binary_ = handle.typed<Binary>();
    } else {
      unary_ = handle.typed<Unary>();
    }
    tensors_ = tensors;
  } catch (const c10::Error&) {
    // Some operators outside aten take a tensor by value, which their schema does not tell: those go the general way.
  }
}

std::optional<at::Tensor> Shortcut::call(const HandleTable& handles, Wire& in, size_t given) const {
  if (tensors_ == 0 || given != tensors_) return std::nullopt;
  const double* at = in.data + in.at;
  constexpr double tensor = static_cast<double>(static_cast<int>(Tag::Tensor));
  if (at[0] != tensor || (tensors_ == 2 && at[2] != tensor)) return std::nullopt;
  // References suffice: no JavaScript runs inside an operator, so nothing is disposed before it returns.
  const at::Tensor& first = handles.get(at[1]);
  if (unary_) return unary_->call(first);
  const at::Tensor& second = handles.get(at[3]);
  return binary_ ? binary_->call(first, second) : weighted_->call(first, second, weight_);
}

}  // namespace tessera
