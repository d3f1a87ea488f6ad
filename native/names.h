// Names of dtypes, layouts and memory formats as PyTorch writes them, and libtorch's numbers for them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tessera {

std::optional<int64_t> dtypeByName(const std::string& name);
std::optional<int64_t> layoutByName(const std::string& name);
std::optional<int64_t> memoryFormatByName(const std::string& name);

}  // namespace tessera
