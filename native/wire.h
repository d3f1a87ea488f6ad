// The wire: one Float64Array shared by both sides. TypeScript writes a call's arguments into it as tagged values
// and reads the results back from it, so that an operator call crosses Node-API once, with no object conversion.
// Must agree with src/torch/native/wire.ts.
#pragma once

#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace tessera {

enum class Tag : int {
  Absent = 0,     // omitted: the schema's default
  None = 1,       // null
  Tensor = 2,     // handle
  Number = 3,     // a JS number: an integer or a float, as the schema requires
  Bool = 4,       // 0 or 1
  Integer = 5,    // 64 bits, reinterpreted
  Float = 6,      // a float even if it is integral
  Complex = 7,    // real, imaginary
  String = 8,     // length in bytes, then one UTF-8 byte per element
  List = 9,       // length, then that many tagged values
  Generator = 10, // index
  Device = 11     // type, index; -1 for the current one
};

struct Wire {
  double* data = nullptr;
  size_t capacity = 0;
  size_t at = 0;

  double next() {
    if (at >= capacity) throw std::out_of_range("the call's arguments end before they are complete");
    return data[at++];
  }
  Tag tag() { return static_cast<Tag>(static_cast<int>(next())); }
  size_t count() { return static_cast<size_t>(next()); }
  int64_t bits() { return std::bit_cast<int64_t>(next()); }
  std::string text() {
    std::string result(count(), '\0');
    for (char& c : result) c = static_cast<char>(next());
    return result;
  }

  void put(double value) {
    if (at >= capacity) throw std::out_of_range("the wire is too short for the results");
    data[at++] = value;
  }
  void put(Tag tag) { put(static_cast<double>(static_cast<int>(tag))); }
  void put(Tag tag, double value) {
    put(tag);
    put(value);
  }
  void putBits(int64_t value) { put(std::bit_cast<double>(value)); }
  void putText(const std::string& text) {
    put(Tag::String, static_cast<double>(text.size()));
    for (const char c : text) put(static_cast<double>(static_cast<unsigned char>(c)));
  }
};

}  // namespace tessera
