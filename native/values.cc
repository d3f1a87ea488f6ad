#include "values.h"

#include <c10/core/Scalar.h>

#include <array>
#include <cmath>

#include "environment.h"

namespace tessera {

namespace {

ValueType typeOf(const c10::TypePtr& type, const c10::TypePtr& real) {
  ValueType result;
  result.text = real->annotation_str();
  if (const auto optional = real->cast<c10::OptionalType>()) {
    const auto plain = type->cast<c10::OptionalType>();
    result = typeOf(plain ? plain->getElementType() : type, optional->getElementType());
    result.optional = true;
    return result;
  }
  if (const auto list = real->cast<c10::ListType>()) {
    const auto plain = type->cast<c10::ListType>();
    result.kind = Kind::List;
    result.element = std::make_shared<ValueType>(typeOf(plain ? plain->getElementType() : type, list->getElementType()));
    if (result.element->kind == Kind::Unsupported) result.kind = Kind::Unsupported;
    return result;
  }
  switch (real->kind()) {
    case c10::TypeKind::TensorType: result.kind = Kind::Tensor; break;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
    // TypeScript resolves the names of these three and sends libtorch's numbers.
    case c10::TypeKind::ScalarTypeType:
    case c10::TypeKind::LayoutType:
    case c10::TypeKind::MemoryFormatType: result.kind = Kind::Int; break;
    case c10::TypeKind::FloatType: result.kind = Kind::Float; break;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType: result.kind = Kind::Bool; break;
    case c10::TypeKind::NumberType: result.kind = Kind::Scalar; break;
    case c10::TypeKind::ComplexType: result.kind = Kind::Complex; break;
    case c10::TypeKind::StringType: result.kind = Kind::String; break;
    case c10::TypeKind::DeviceObjType: result.kind = Kind::Device; break;
    case c10::TypeKind::GeneratorType: result.kind = Kind::Generator; break;
    default: break;
  }
  return result;
}

[[noreturn]] void refuse(const ValueType& type, const std::string& got) {
  throw Fault("Argument", "argument '" + type.name + "' takes " + type.text + (type.optional ? " or null" : "") + ", not " + got);
}

std::string describe(Tag tag) {
  static constexpr std::array names{"nothing", "null", "a tensor", "a number", "a boolean", "a bigint", "a float",
                                    "a complex number", "a string", "an array", "a generator"};
  const size_t index = static_cast<size_t>(tag);
  return index < names.size() ? names[index] : "an unknown value";
}

// -0 stays a float: as an integer it would lose its sign.
bool integral(double value) {
  return std::trunc(value) == value && std::fabs(value) <= 9007199254740992.0 && !(value == 0 && std::signbit(value));
}

int64_t readInt(Wire& in, Tag tag, const ValueType& type) {
  if (tag == Tag::Integer) return in.bits();
  if (tag != Tag::Number) refuse(type, describe(tag));
  const double value = in.next();
  if (value == 0) return 0;
  if (!integral(value)) refuse(type, std::to_string(value));
  return static_cast<int64_t>(value);
}

double readFloat(Wire& in, Tag tag, const ValueType& type) {
  if (tag == Tag::Integer) return static_cast<double>(in.bits());
  if (tag != Tag::Number && tag != Tag::Float) refuse(type, describe(tag));
  return in.next();
}

at::Scalar readScalar(Wire& in, Tag tag, const ValueType& type) {
  switch (tag) {
    case Tag::Number: {
      const double value = in.next();
      return integral(value) ? at::Scalar(static_cast<int64_t>(value)) : at::Scalar(value);
    }
    case Tag::Bool: return at::Scalar(in.next() != 0);
    case Tag::Integer: return at::Scalar(in.bits());
    case Tag::Float: return at::Scalar(in.next());
    case Tag::Complex: {
      const double real = in.next();
      return at::Scalar(c10::complex<double>(real, in.next()));
    }
    default: refuse(type, describe(tag));
  }
}

template <class T, class Read>
c10::IValue readList(Wire& in, size_t count, Read&& read) {
  c10::List<T> list;
  list.reserve(count);
  for (size_t i = 0; i < count; ++i) list.push_back(read(in.tag()));
  return list;
}

c10::IValue readValue(Environment& state, Wire& in, Tag tag, const ValueType& type);

c10::IValue readElements(Environment& state, Wire& in, size_t count, const ValueType& list) {
  const ValueType& type = *list.element;
  switch (type.kind) {
    case Kind::Tensor: {
      const auto tensor = [&](Tag tag) {
        if (tag != Tag::Tensor) refuse(list, "a list with " + describe(tag));
        return state.handles.get(in.next());
      };
      if (!type.optional) return readList<at::Tensor>(in, count, tensor);
      return readList<std::optional<at::Tensor>>(in, count, [&](Tag tag) -> std::optional<at::Tensor> {
        if (tag == Tag::None) return std::nullopt;
        return tensor(tag);
      });
    }
    case Kind::Int: return readList<int64_t>(in, count, [&](Tag tag) { return readInt(in, tag, list); });
    case Kind::Float: return readList<double>(in, count, [&](Tag tag) { return readFloat(in, tag, list); });
    case Kind::Bool:
      return readList<bool>(in, count, [&](Tag tag) {
        if (tag != Tag::Bool) refuse(list, "a list with " + describe(tag));
        return in.next() != 0;
      });
    case Kind::Scalar: {
      c10::impl::GenericList scalars(c10::NumberType::get());
      for (size_t i = 0; i < count; ++i) scalars.push_back(readScalar(in, in.tag(), list));
      return scalars;
    }
    case Kind::String:
      return readList<std::string>(in, count, [&](Tag tag) {
        if (tag != Tag::String) refuse(list, "a list with " + describe(tag));
        return in.text();
      });
    default: refuse(list, "an array");
  }
}

c10::IValue readValue(Environment& state, Wire& in, Tag tag, const ValueType& type) {
  switch (type.kind) {
    case Kind::Tensor:
      if (tag != Tag::Tensor) refuse(type, describe(tag));
      return state.handles.get(in.next());
    case Kind::Int: return readInt(in, tag, type);
    case Kind::Float: return readFloat(in, tag, type);
    case Kind::Bool:
      if (tag != Tag::Bool) refuse(type, describe(tag));
      return in.next() != 0;
    case Kind::Scalar: return readScalar(in, tag, type);
    case Kind::Complex: return readScalar(in, tag, type).toComplexDouble();
    case Kind::String:
      if (tag != Tag::String) refuse(type, describe(tag));
      return in.text();
    case Kind::Device:
      if (tag == Tag::Device)  // braces: the type is read first
        return c10::Device{static_cast<c10::DeviceType>(in.count()), static_cast<c10::DeviceIndex>(in.next())};
      if (tag != Tag::String) refuse(type, describe(tag));
      return c10::Device(in.text());
    case Kind::Generator: {
      if (tag != Tag::Generator) refuse(type, describe(tag));
      const size_t index = in.count();
      if (index >= state.generators.size()) throw Fault("Foreign", "the generator belongs to another thread");
      return state.generators[index];
    }
    case Kind::List: {
      if (tag == Tag::List) return readElements(state, in, in.count(), type);
      if (type.repeat == 0 || (tag != Tag::Number && tag != Tag::Integer && tag != Tag::Bool)) refuse(type, describe(tag));
      if (type.element->kind == Kind::Int) {
        c10::List<int64_t> list;
        list.resize(static_cast<size_t>(type.repeat), readInt(in, tag, type));
        return list;
      }
      if (type.repeat != 1) refuse(type, describe(tag));
      --in.at;
      return readElements(state, in, 1, type);
    }
    case Kind::Unsupported: break;
  }
  refuse(type, describe(tag));
}

}  // namespace

ValueType valueTypeOf(const c10::Argument& argument) {
  ValueType type = typeOf(argument.type(), argument.real_type());
  type.name = argument.name();
  type.fallback = argument.default_value();
  if (argument.N()) type.repeat = *argument.N();
  return type;
}

c10::IValue defaultOf(const ValueType& type) {
  if (type.fallback) return *type.fallback;
  if (type.optional) return c10::IValue();
  throw Fault("Argument", "argument '" + type.name + "' (" + type.text + ") is missing");
}

c10::IValue readArgument(Environment& state, Wire& in, const ValueType& type) {
  const Tag tag = in.tag();
  if (tag == Tag::Absent) return defaultOf(type);
  if (tag == Tag::None) {
    if (!type.optional) refuse(type, "null");
    return c10::IValue();
  }
  return readValue(state, in, tag, type);
}

void writeValue(HandleTable& handles, Wire& out, c10::IValue value) {
  if (value.isTensor()) {
    at::Tensor tensor = std::move(value).toTensor();
    if (!tensor.defined()) return out.put(Tag::None);
    return out.put(Tag::Tensor, handles.add(std::move(tensor)));
  }
  if (value.isNone()) return out.put(Tag::None);
  if (value.isBool()) return out.put(Tag::Bool, value.toBool() ? 1 : 0);
  if (value.isInt()) {
    out.put(Tag::Integer);
    return out.putBits(value.toInt());
  }
  if (value.isDouble()) return out.put(Tag::Float, value.toDouble());
  if (value.isComplexDouble()) {
    const c10::complex<double> number = value.toComplexDouble();
    out.put(Tag::Complex, number.real());
    return out.put(number.imag());
  }
  if (value.isString()) return out.putText(value.toStringRef());
  if (value.isDevice()) return out.putText(value.toDevice().str());
  if (value.isList()) {
    const c10::List<c10::IValue> list = value.toList();
    out.put(Tag::List, static_cast<double>(list.size()));
    for (size_t i = 0; i < list.size(); ++i) writeValue(handles, out, list.get(i));
    return;
  }
  if (value.isTuple()) {
    const auto& elements = value.toTupleRef().elements();
    out.put(Tag::List, static_cast<double>(elements.size()));
    for (const c10::IValue& element : elements) writeValue(handles, out, element);
    return;
  }
  throw Fault("NotImplemented", "a result of type " + value.tagKind() + " cannot be converted to JavaScript");
}

size_t measureValue(const c10::IValue& value) {
  if (value.isString()) return 2 + value.toStringRef().size();
  if (value.isDevice()) return 2 + value.toDevice().str().size();
  size_t total = value.isComplexDouble() ? 3 : 2;
  if (value.isTensorList()) return total + 2 * value.toListRef().size();
  if (value.isList()) {
    const c10::List<c10::IValue> list = value.toList();
    for (size_t i = 0; i < list.size(); ++i) total += measureValue(list.get(i));
  }
  if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) total += measureValue(element);
  }
  return total;
}

}  // namespace tessera
