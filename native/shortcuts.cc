#include "shortcuts.h"

#include <array>
#include <cmath>

namespace tessera {

namespace {

constexpr size_t kDimensions = 8;

bool isPlainTensor(const c10::Argument& argument) {
  const bool written = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
  return argument.real_type()->kind() == c10::TypeKind::TensorType && !written;
}

bool isWeight(const c10::Argument& argument) {
  const auto& weight = argument.default_value();
  return weight && weight->isInt() && argument.real_type()->kind() == c10::TypeKind::NumberType;
}

bool isShape(const c10::Argument& argument) {
  const auto list = argument.real_type()->cast<c10::ListType>();
  return list && list->getElementType()->kind() == c10::TypeKind::SymIntType;
}

bool is(double value, Tag tag) { return value == static_cast<double>(static_cast<int>(tag)); }

}  // namespace

Shortcut::Shortcut(const c10::OperatorHandle& handle) {
  const auto& arguments = handle.schema().arguments();
  const auto& returns = handle.schema().returns();
  const size_t count = arguments.size();
  if (returns.size() != 1 || !isPlainTensor(returns[0]) || count == 0 || !isPlainTensor(arguments[0])) return;
  const bool pair = count > 1 && isPlainTensor(arguments[1]);
  try {
    if (count == 1) {
      unary_ = handle.typed<Unary>();
    } else if (count == 2 && pair) {
      binary_ = handle.typed<Binary>();
    } else if (count == 2 && isShape(arguments[1])) {
      shaped_ = handle.typed<Shaped>();
    } else if (count == 3 && pair && isWeight(arguments[2])) {
      weight_ = arguments[2].default_value()->toScalar();
      weighted_ = handle.typed<Weighted>();
    } else {
      return;
    }
    given_ = std::min<size_t>(count, 2);
  } catch (const c10::Error&) {
    // Some operators outside aten take a tensor by value, which their schema does not show: those take the long path.
  }
}

std::optional<at::Tensor> Shortcut::call(const HandleTable& handles, Wire& in, size_t given) const {
  if (given_ == 0 || given != given_) return std::nullopt;
  const double* at = in.data + in.at;
  if (!is(at[0], Tag::Tensor)) return std::nullopt;
  // References suffice: no JavaScript runs inside an operator, so nothing is disposed before it returns.
  if (unary_) return unary_->call(handles.get(at[1]));
  if (shaped_) {
    std::array<int64_t, kDimensions> sizes;
    if (!is(at[2], Tag::List) || !(at[3] <= kDimensions)) return std::nullopt;
    const size_t count = static_cast<size_t>(at[3]);
    for (size_t i = 0; i < count; ++i) {
      const double size = at[5 + 2 * i];
      if (!is(at[4 + 2 * i], Tag::Number) || std::trunc(size) != size || std::fabs(size) > 1e15) return std::nullopt;
      sizes[i] = static_cast<int64_t>(size);
    }
    return shaped_->call(handles.get(at[1]), c10::fromIntArrayRefUnchecked({sizes.data(), count}));
  }
  if (!is(at[2], Tag::Tensor)) return std::nullopt;
  const at::Tensor& first = handles.get(at[1]);
  const at::Tensor& second = handles.get(at[3]);
  return binary_ ? binary_->call(first, second) : weighted_->call(first, second, weight_);
}

}  // namespace tessera
