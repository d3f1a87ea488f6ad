// Runs native/kernels/group-norm-silu.cu on the CPU, a thread for each of CUDA's: its indices and its arithmetic, not its
// speed. emulator FOLDER reads FOLDER/launch (kernel, grid x, grid y, block, kinds, then the arguments: for t the name of
// a file with the tensor's bytes) and writes the tensors back.
#include <barrier>
#include <bit>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

struct Index {
  unsigned x = 0, y = 0;
};
static Index gridDim, blockDim, blockIdx;
static thread_local Index threadIdx;
static std::unique_ptr<std::barrier<>> together;

#define __device__
#define __global__
// Blocks run one after the other, so that all threads there are belong to the same one.
#define __shared__ static
#define __syncthreads() together->arrive_and_wait()
static float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
static unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
static float __fdividef(float a, float b) { return a / b; }
#define __expf std::exp
static float rsqrtf(float value) { return 1 / std::sqrt(value); }

#include "../../../native/kernels/group-norm-silu.cu"

struct Argument {
  void* data = nullptr;
  int integer = 0;
  float number = 0;
  template <class T>
  T as() const {
    if constexpr (std::is_pointer_v<T>) return static_cast<T>(data);
    else if constexpr (std::is_same_v<T, int>) return integer;
    else return number;
  }
};

template <class... P, size_t... I>
static void call(void (*kernel)(P...), const std::vector<Argument>& arguments, std::index_sequence<I...>) {
  if (arguments.size() != sizeof...(P)) throw std::invalid_argument("wrong number of arguments");
  for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
      together = std::make_unique<std::barrier<>>(blockDim.x);
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < blockDim.x; ++i) {
        threads.emplace_back([&, i] {
          threadIdx.x = i;
          kernel(arguments[I].as<P>()...);
          together->arrive_and_drop();
        });
      }
    }
  }
}
template <class... P>
static void launch(void (*kernel)(P...), const std::vector<Argument>& arguments) {
  call(kernel, arguments, std::index_sequence_for<P...>());
}

int main(int, char** argv) {
  const std::string folder = std::string(argv[1]) + "/";
  std::ifstream in(folder + "launch");
  std::string name, kinds, word;
  in >> name >> gridDim.x >> gridDim.y >> blockDim.x >> kinds;
  std::map<std::string, std::vector<char>> tensors;
  std::vector<Argument> arguments;
  for (const char kind : kinds) {
    Argument argument;
    in >> word;
    if (kind == 't') {
      std::ifstream file(folder + word, std::ios::binary);
      auto& bytes = tensors[word] = {std::istreambuf_iterator<char>(file), {}};
      argument.data = bytes.data();
    } else if (kind == 'i') {
      argument.integer = std::stoi(word);
    } else {
      argument.number = std::stof(word);
    }
    arguments.push_back(argument);
  }
  if (name == "partialMoments") launch(partialMoments, arguments);
  else if (name == "moments") launch(moments, arguments);
  else if (name == "forward") launch(forward, arguments);
  else if (name == "partialGradients") launch(partialGradients, arguments);
  else if (name == "backward") launch(backward, arguments);
  else return 1;
  for (const auto& [file, bytes] : tensors) {
    std::ofstream(folder + file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
}
