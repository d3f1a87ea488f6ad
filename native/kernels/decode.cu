// One token through a transformer's block, for a batch of one: products of a matrix and a vector with the norm before them
// and the activation or sum after them, and attention of one query. A step is then bound by reading the weights.
// Compiled at run time by NVRTC (src/sampling/decode-kernels.ts), once for each ELEMENT; element.h goes before this.
// Sums are in float32, and results are rounded where the operators round theirs.

// What a thread reads at once: 16 bytes.
#define PER (16 / (int)sizeof(Element))
struct alignas(16) Chunk {
  Element at[PER];
};

#define WARPS 8
#define THREADS (32 * WARPS)
// Longest input of a product with a norm, in elements.
#define MOST_NORMED 8192

static __device__ float rounded(float value) { return toFloat(fromFloat(value)); }

// Sums over aligned groups of `lanes` threads of a warp, a power of two.
static __device__ float sumOver(int lanes, float value) {
  for (int apart = lanes / 2; apart > 0; apart /= 2) value += __shfl_xor_sync(0xffffffffu, value, apart);
  return value;
}

static __device__ float sumOverBlock(float value) {
  __shared__ float sums[WARPS];
  value = sumOver(32, value);
  __syncthreads();  // of an earlier call the sums may still be read
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  float whole = 0;
  for (int warp = 0; warp < WARPS; ++warp) whole += sums[warp];
  return whole;
}

static __device__ float dot(const Chunk a, const Chunk b) {
  float sum = 0;
  for (int i = 0; i < PER; ++i) sum += toFloat(a.at[i]) * toFloat(b.at[i]);
  return sum;
}

struct Norm {
  const Element* weight;
  const Element* bias;
  float eps;
};

// LayerNorm of x into shared memory.
static __device__ void normalize(const Element* x, const Norm& norm, int inputs, Element* result) {
  float sum = 0, squares = 0;
  for (int i = threadIdx.x; i < inputs; i += THREADS) sum += toFloat(x[i]);
  const float mean = sumOverBlock(sum) / inputs;
  for (int i = threadIdx.x; i < inputs; i += THREADS) {
    const float distance = toFloat(x[i]) - mean;
    squares += distance * distance;
  }
  const float scale = rsqrtf(sumOverBlock(squares) / inputs + norm.eps);
  for (int i = threadIdx.x; i < inputs; i += THREADS) {
    result[i] = fromFloat((toFloat(x[i]) - mean) * scale * toFloat(norm.weight[i]) + toFloat(norm.bias[i]));
  }
  __syncthreads();
}

// Chunks of a row of weights that a thread asks for before it uses the first.
#define AHEAD 6

// What the thread's warp makes of its row: the same in all 32 threads. With a norm the first weights are on their way
// while it is computed.
template <bool NORMED>
static __device__ float productOf(const Element* x, const Norm& norm, const Element* weight, int inputs, int row) {
  alignas(16) __shared__ Element normed[NORMED ? MOST_NORMED : PER];
  const int lane = threadIdx.x % 32;
  const int chunks = inputs / PER;
  const Chunk* weights = (const Chunk*)(weight + (long long)row * inputs);
  const Chunk* vector = (const Chunk*)(NORMED ? normed : x);
  Chunk ahead[AHEAD];
  float sum = 0;
  for (int start = 0; start < chunks; start += 32 * AHEAD) {
#pragma unroll
    for (int k = 0; k < AHEAD; ++k) {
      const int at = start + 32 * k + lane;
      if (at < chunks) ahead[k] = weights[at];
    }
    if (NORMED && start == 0) normalize(x, norm, inputs, normed);
#pragma unroll
    for (int k = 0; k < AHEAD; ++k) {
      const int at = start + 32 * k + lane;
      if (at < chunks) sum += dot(ahead[k], vector[at]);
    }
  }
  return sumOver(32, sum);
}

// The row of the thread's warp; the last block's spare warps repeat the last row, for all take part in the norm.
static __device__ int ownRow(int outputs) {
  const int row = blockIdx.x * WARPS + threadIdx.x / 32;
  return row < outputs ? row : outputs - 1;
}

// y = W norm(x) + b, or without b where `biased` is 0
extern "C" __global__ void normedProduct(const Element* x, const Element* normWeight, const Element* normBias, float eps,
                                         const Element* weight, const Element* bias, Element* y, int inputs, int outputs,
                                         int biased) {
  const int row = ownRow(outputs);
  const float sum = productOf<true>(x, {normWeight, normBias, eps}, weight, inputs, row);
  if (threadIdx.x % 32 == 0) y[row] = fromFloat(biased ? sum + toFloat(bias[row]) : sum);
}

// y = GELU(W norm(x) + b)
extern "C" __global__ void normedProductGelu(const Element* x, const Element* normWeight, const Element* normBias,
                                             float eps, const Element* weight, const Element* bias, Element* y, int inputs,
                                             int outputs) {
  const int row = ownRow(outputs);
  const float z = rounded(productOf<true>(x, {normWeight, normBias, eps}, weight, inputs, row) + toFloat(bias[row]));
  if (threadIdx.x % 32 == 0) y[row] = fromFloat(z * 0.5f * (1.0f + erff(z * 0.70710678f)));
}

// y = W x + b + before
extern "C" __global__ void productAndSum(const Element* x, const Element* weight, const Element* bias,
                                         const Element* before, Element* y, int inputs, int outputs) {
  const int row = ownRow(outputs);
  const float sum = rounded(productOf<false>(x, {}, weight, inputs, row) + toFloat(bias[row]));
  if (threadIdx.x % 32 == 0) y[row] = fromFloat(sum + toFloat(before[row]));
}

// Keys and values of the token at `position`, into the caches [heads, capacity, size], and the attention of its query to
// all up to itself. projected is query, key and value, each [heads, size]; a block is a head. size / PER threads share a
// key: a power of two, at most 32.
extern "C" __global__ void attend(const Element* projected, Element* keys, Element* values, const long long* position,
                                  Element* y, int capacity, int size, float scale) {
  const int head = blockIdx.x;
  const int width = gridDim.x * size;
  const int last = (int)*position;
  keys += (long long)head * capacity * size;
  values += (long long)head * capacity * size;
  for (int i = threadIdx.x; i < size; i += THREADS) {
    keys[(long long)last * size + i] = projected[width + head * size + i];
    values[(long long)last * size + i] = projected[2 * width + head * size + i];
  }
  __syncthreads();

  const int lanes = size / PER;
  const int lane = threadIdx.x % lanes;
  const int group = threadIdx.x / lanes;
  const int groups = THREADS / lanes;
  const Chunk query = ((const Chunk*)(projected + head * size))[lane];
  // Of the keys seen so far: the largest score, and by its distance the sum of weights and of weighted values.
  float largest = -1e30f, sum = 0, mixed[PER];
  for (int i = 0; i < PER; ++i) mixed[i] = 0;
  for (int start = 0; start <= last; start += groups) {
    const int at = start + group;
    const bool seen = at <= last;
    const long long offset = (long long)(seen ? at : last) * size;
    const Chunk key = ((const Chunk*)(keys + offset))[lane];
    const Chunk value = ((const Chunk*)(values + offset))[lane];
    const float score = sumOver(lanes, dot(query, key)) * scale;
    if (!seen) continue;
    const float next = score > largest ? score : largest;
    const float fade = __expf(largest - next);
    const float weight = __expf(score - next);
    sum = sum * fade + weight;
    for (int i = 0; i < PER; ++i) mixed[i] = mixed[i] * fade + weight * toFloat(value.at[i]);
    largest = next;
  }

  __shared__ float most[THREADS], sums[THREADS], parts[THREADS][PER];
  if (lane == 0) {
    most[group] = largest;
    sums[group] = sum;
  }
  __syncthreads();
  float whole = 0, top = most[0];
  for (int i = 1; i < groups; ++i) top = most[i] > top ? most[i] : top;
  for (int i = 0; i < groups; ++i) whole += sums[i] * __expf(most[i] - top);
  const float share = __expf(largest - top) / whole;
  for (int i = 0; i < PER; ++i) parts[threadIdx.x][i] = mixed[i] * share;
  __syncthreads();
  for (int i = threadIdx.x; i < size; i += THREADS) {
    float result = 0;
    for (int k = 0; k < groups; ++k) result += parts[k * lanes + i / PER][i % PER];
    y[head * size + i] = fromFloat(result);
  }
}
