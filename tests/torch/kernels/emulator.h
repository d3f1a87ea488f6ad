// Runs kernels of native/kernels on the CPU: their indices and their arithmetic, not their speed. A program includes this,
// element.h and the kernels, and calls emulate() with their names. program FOLDER reads FOLDER/launch (kernel, grid x, grid y,
// block, kinds, then the arguments: for t the name of a file with the tensor's bytes) and writes the tensors back.
#include <ucontext.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct Index {
  unsigned x = 0, y = 0;
};
static Index gridDim, blockDim, blockIdx, threadIdx;

// A thread of CUDA's is a context that gives way wherever all wait for each other: whose turn comes again has seen all
// others come as far.
struct Thread {
  ucontext_t context;
  std::vector<char> stack;
  bool done = false;
};
static std::vector<Thread> threads;
static ucontext_t scheduler;
static std::function<void()> body;

static void giveWay() {
  Thread& own = threads[threadIdx.x];
  swapcontext(&own.context, &scheduler);
}

#define __device__
#define __global__
#define __launch_bounds__(...)
// Blocks run one after the other, so that all threads there are belong to the same one.
#define __shared__ static
#define __syncthreads() giveWay()
static float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
static unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
static float __fdividef(float a, float b) { return a / b; }
#define __expf std::exp
static float rsqrtf(float value) { return 1 / std::sqrt(value); }
static float __shfl_xor_sync(unsigned, float value, int apart) {
  static float values[1024];
  values[threadIdx.x] = value;
  giveWay();
  const float other = values[threadIdx.x ^ static_cast<unsigned>(apart)];
  giveWay();
  return other;
}

static void runThread() {
  body();
  threads[threadIdx.x].done = true;
}

static void runBlock() {
  threads = std::vector<Thread>(blockDim.x);
  for (Thread& thread : threads) {
    thread.stack.resize(64 << 10);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = &scheduler;
    makecontext(&thread.context, runThread, 0);
  }
  for (bool running = true; running;) {
    running = false;
    for (unsigned i = 0; i < threads.size(); ++i) {
      if (threads[i].done) continue;
      running = true;
      threadIdx.x = i;
      swapcontext(&scheduler, &threads[i].context);
    }
  }
}

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
using Kernel = std::function<void(const std::vector<Argument>&)>;

template <class... P, size_t... I>
static Kernel wrapped(void (*kernel)(P...), std::index_sequence<I...>) {
  return [kernel](const std::vector<Argument>& arguments) {
    if (arguments.size() != sizeof...(P)) throw std::invalid_argument("wrong number of arguments");
    body = [&] { kernel(arguments[I].as<P>()...); };
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) runBlock();
    }
  };
}
template <class... P>
static Kernel kernel(void (*function)(P...)) {
  return wrapped(function, std::index_sequence_for<P...>());
}

static int emulate(const char* path, const std::map<std::string, Kernel>& kernels) {
  const std::string folder = std::string(path) + "/";
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
  kernels.at(name)(arguments);
  for (const auto& [file, bytes] : tensors) {
    std::ofstream(folder + file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  return 0;
}
