#include "names.h"

#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

#include <utility>

namespace tessera {

namespace {

template <class Value, size_t count>
std::optional<int64_t> lookUp(const std::pair<const char*, Value> (&table)[count], const std::string& name) {
  for (const auto& [key, value] : table) {
    if (name == key) return static_cast<int64_t>(value);
  }
  return std::nullopt;
}

using c10::Layout;
using c10::MemoryFormat;
using c10::ScalarType;

constexpr std::pair<const char*, ScalarType> kDTypes[] = {
    {"float32", ScalarType::Float},         {"float64", ScalarType::Double},
    {"float16", ScalarType::Half},          {"bfloat16", ScalarType::BFloat16},
    {"int64", ScalarType::Long},            {"int32", ScalarType::Int},
    {"int16", ScalarType::Short},           {"int8", ScalarType::Char},
    {"uint8", ScalarType::Byte},            {"bool", ScalarType::Bool},
    {"complex32", ScalarType::ComplexHalf}, {"complex64", ScalarType::ComplexFloat},
    {"complex128", ScalarType::ComplexDouble}, {"uint16", ScalarType::UInt16},
    {"uint32", ScalarType::UInt32},         {"uint64", ScalarType::UInt64},
    {"float8_e4m3fn", ScalarType::Float8_e4m3fn}, {"float8_e5m2", ScalarType::Float8_e5m2},
    {"qint8", ScalarType::QInt8},           {"quint8", ScalarType::QUInt8},
    {"qint32", ScalarType::QInt32},
};

constexpr std::pair<const char*, Layout> kLayouts[] = {
    {"strided", Layout::Strided},       {"sparse", Layout::Sparse},
    {"sparse_coo", Layout::Sparse},     {"sparse_csr", Layout::SparseCsr},
    {"sparse_csc", Layout::SparseCsc},  {"sparse_bsr", Layout::SparseBsr},
    {"sparse_bsc", Layout::SparseBsc},  {"mkldnn", Layout::Mkldnn},
    {"jagged", Layout::Jagged},
};

constexpr std::pair<const char*, MemoryFormat> kMemoryFormats[] = {
    {"contiguous_format", MemoryFormat::Contiguous}, {"contiguous", MemoryFormat::Contiguous},
    {"preserve_format", MemoryFormat::Preserve},     {"preserve", MemoryFormat::Preserve},
    {"channels_last", MemoryFormat::ChannelsLast},   {"channels_last_3d", MemoryFormat::ChannelsLast3d},
};

}  // namespace

std::optional<int64_t> dtypeByName(const std::string& name) { return lookUp(kDTypes, name); }
std::optional<int64_t> layoutByName(const std::string& name) { return lookUp(kLayouts, name); }
std::optional<int64_t> memoryFormatByName(const std::string& name) { return lookUp(kMemoryFormats, name); }

}  // namespace tessera
