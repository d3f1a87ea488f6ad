// Runs kernels of native/kernels on the CPU: their indices and their arithmetic, not their speed. A program includes this,
// element.h and the kernels, and calls emulate() with their names. program FOLDER reads FOLDER/launch (kernel, grid x, grid y,
// block, kinds, then the arguments: for t the name of a file with the tensor's bytes) and writes the tensors back.
#undef _FORTIFY_SOURCE  // Its longjmp ends a program that changes stacks.
#include <setjmp.h>
#include <ucontext.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

// As little of the library as will do: its headers are most of the time that this takes to compile.
struct Index {
  unsigned x = 0, y = 0;
};
static Index gridDim, blockDim, blockIdx, threadIdx;

// A thread of CUDA's has a stack of its own and gives way wherever all wait for each other: whose turn comes again has seen
// all others come as far. Stacks are changed by longjmp, as each swapcontext asks the system twice, and are kept for the
// next block.
struct Thread {
  ucontext_t context;
  jmp_buf place;
  bool begun = false, done = false;
};
static Thread threads[1024];
static jmp_buf scheduler;
static void (*body)();

static void giveWay() {
  if (_setjmp(threads[threadIdx.x].place) == 0) _longjmp(scheduler, 1);
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
  while (true) {
    body();
    threads[threadIdx.x].done = true;
    giveWay();
  }
}

// Returns when the thread gives way.
static void resume(Thread& thread) {
  if (_setjmp(scheduler) != 0) return;
  if (thread.begun) _longjmp(thread.place, 1);
  thread.begun = true;
  constexpr size_t size = 64 << 10;
  getcontext(&thread.context);
  thread.context.uc_stack.ss_sp = std::malloc(size);
  thread.context.uc_stack.ss_size = size;
  makecontext(&thread.context, runThread, 0);
  setcontext(&thread.context);
}

static void runBlock() {
  for (unsigned i = 0; i < blockDim.x; ++i) threads[i].done = false;
  for (bool running = true; running;) {
    running = false;
    for (unsigned i = 0; i < blockDim.x; ++i) {
      if (threads[i].done) continue;
      running = true;
      threadIdx.x = i;
      resume(threads[i]);
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
static Argument arguments[64];
static unsigned count;

[[noreturn]] static void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

struct Kernel {
  const char* name;
  void (*run)();
};

template <auto function, class... P, size_t... I>
static void launch(void (*)(P...), std::index_sequence<I...>) {
  if (count != sizeof...(P)) fail("wrong number of arguments");
  body = [] { function(arguments[I].as<P>()...); };
  for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) runBlock();
  }
}
template <auto function, class... P>
static constexpr auto launcher(void (*)(P...)) {
  return [] { launch<function>(function, std::index_sequence_for<P...>()); };
}
template <auto function>
static Kernel kernel(const char* name) {
  return {name, launcher<function>(function)};
}

static std::FILE* opened(const char* folder, const char* name, const char* mode) {
  char path[4096];
  std::snprintf(path, sizeof path, "%s/%s", folder, name);
  std::FILE* file = std::fopen(path, mode);
  return file ? file : (fail(path), nullptr);
}

template <size_t N>
static int emulate(const char* folder, const Kernel (&kernels)[N]) {
  struct {
    char name[64];
    size_t size;
  } tensors[64];
  char name[64], kinds[64], word[64];
  std::FILE* in = opened(folder, "launch", "r");
  if (std::fscanf(in, "%63s %u %u %u %63s", name, &gridDim.x, &gridDim.y, &blockDim.x, kinds) != 5) fail("no launch");
  for (const char* kind = kinds; *kind; ++kind) {
    if (std::fscanf(in, "%63s", word) != 1) fail("an argument is missing");
    Argument& argument = arguments[count];
    if (*kind == 't') {
      std::FILE* file = opened(folder, word, "rb");
      std::fseek(file, 0, SEEK_END);
      const size_t size = static_cast<size_t>(std::ftell(file));
      std::rewind(file);
      argument.data = std::malloc(size);
      if (std::fread(argument.data, 1, size, file) != size) fail(word);
      std::fclose(file);
      std::strcpy(tensors[count].name, word);
      tensors[count].size = size;
    } else if (*kind == 'i') {
      argument.integer = std::atoi(word);
    } else {
      argument.number = std::strtof(word, nullptr);
    }
    ++count;
  }
  for (const Kernel& each : kernels) {
    if (std::strcmp(each.name, name) == 0) {
      each.run();
      for (unsigned i = 0; i < count; ++i) {
        if (!arguments[i].data) continue;
        std::FILE* out = opened(folder, tensors[i].name, "wb");
        std::fwrite(arguments[i].data, 1, tensors[i].size, out);
        std::fclose(out);
      }
      return 0;
    }
  }
  fail(name);
}
