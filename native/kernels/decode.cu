// One token through a transformer's block, for a batch of one: matrix-vector products with the norm before them and the
// activation or sum after them, and attention of one query. A step is then limited by reading the weights. Compiled at
// run time by NVRTC (src/sampling/engines/decode-kernels.ts), once for each ELEMENT; element.h precedes it. Sums are in
// float32, and results are rounded where the operators round theirs.

// Bytes that a thread reads at once: 16.
#define PER (16 / (int)sizeof(Element))
struct alignas(16) Chunk {
  Element at[PER];
};

#define WARPS 8
#define THREADS (32 * WARPS)
// In bfloat16 so few registers that five blocks fit a multiprocessor; the other dtypes would have to spill some.
#define BOUNDS __launch_bounds__(THREADS, ELEMENT == 1 ? 5 : 4)
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
  __syncthreads();  // the sums of an earlier call may still be read
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

// Writes LayerNorm of x into shared memory.
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

// Chunks of a row of weights that a thread requests before it uses the first.
#define AHEAD 6

// A row of weights, or one of its `parts`, for the thread's warp.
struct Share {
  int row, part, parts;
};

// The last block's spare warps repeat the last row, because all threads take part in a norm.
static __device__ Share shareOf(int outputs, int parts) {
  const int warp = threadIdx.x / 32;
  const int row = blockIdx.x * (WARPS / parts) + warp / parts;
  return {row < outputs ? row : outputs - 1, warp % parts, parts};
}

// Returns the result of the thread's warp for its share, the same in all 32 threads. With a norm, the first weights are
// loaded while it is computed.
template <bool NORMED>
static __device__ float productOf(const Element* x, const Norm& norm, const Element* weight, int inputs, Share share) {
  alignas(16) __shared__ Element normed[NORMED ? MOST_NORMED : PER];
  const int lane = threadIdx.x % 32;
  const int chunks = inputs / PER;
  const Chunk* weights = (const Chunk*)(weight + (long long)share.row * inputs);
  const Chunk* vector = (const Chunk*)(NORMED ? normed : x);
  Chunk ahead[AHEAD];
  float sum = 0;
  for (int start = 32 * AHEAD * share.part; start < chunks; start += 32 * AHEAD * share.parts) {
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

// y = W norm(x) + b, or without b if `biased` is 0
extern "C" __global__ void BOUNDS normedProduct(const Element* x, const Element* normWeight, const Element* normBias, float eps,
                                         const Element* weight, const Element* bias, Element* y, int inputs, int outputs,
                                         int biased) {
  const Share share = shareOf(outputs, 1);
  // Requested first, used last, here and below.
  const float added = biased ? toFloat(bias[share.row]) : 0.0f;
  const float sum = productOf<true>(x, {normWeight, normBias, eps}, weight, inputs, share);
  if (threadIdx.x % 32 == 0) y[share.row] = fromFloat(sum + added);
}

// y = GELU(W norm(x) + b)
extern "C" __global__ void BOUNDS normedProductGelu(const Element* x, const Element* normWeight, const Element* normBias,
                                             float eps, const Element* weight, const Element* bias, Element* y, int inputs,
                                             int outputs) {
  const Share share = shareOf(outputs, 1);
  const float added = toFloat(bias[share.row]);
  const float z = rounded(productOf<true>(x, {normWeight, normBias, eps}, weight, inputs, share) + added);
  if (threadIdx.x % 32 == 0) y[share.row] = fromFloat(z * 0.5f * (1.0f + erff(z * 0.70710678f)));
}

// y = W x + b + before, with `parts` warps per row: a divisor of WARPS
extern "C" __global__ void productAndSum(const Element* x, const Element* weight, const Element* bias,
                                         const Element* before, Element* y, int inputs, int outputs, int parts) {
  const Share share = shareOf(outputs, parts);
  const float added = toFloat(bias[share.row]), earlier = toFloat(before[share.row]);
  __shared__ float sums[WARPS];
  sums[threadIdx.x / 32] = productOf<false>(x, {}, weight, inputs, share);
  __syncthreads();
  if (share.part > 0 || threadIdx.x % 32 > 0) return;
  float sum = 0;
  for (int part = 0; part < parts; ++part) sum += sums[threadIdx.x / 32 + part];
  y[share.row] = fromFloat(rounded(sum + added) + earlier);
}

// Rounds of keys and values that a thread requests before it uses the first.
#define ROUNDS 4

// Writes keys and values of the token at `position` into the caches [heads, capacity, size], and computes the attention
// of its query to all positions up to its own. projected is query, key and value, each [heads, size]; a block is a
// head. size / PER threads share a key: a power of two, at most 32.
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
  // For the keys seen so far: the largest score, and relative to it the sum of weights and of weighted values.
  float largest = -1e30f, sum = 0, mixed[PER];
  for (int i = 0; i < PER; ++i) mixed[i] = 0;
  for (int start = 0; start <= last; start += ROUNDS * groups) {
    Chunk key[ROUNDS], value[ROUNDS];
#pragma unroll
    for (int k = 0; k < ROUNDS; ++k) {
      const int at = start + k * groups + group;
      const long long offset = (long long)(at <= last ? at : last) * size;
      key[k] = ((const Chunk*)(keys + offset))[lane];
      value[k] = ((const Chunk*)(values + offset))[lane];
    }
#pragma unroll
    for (int k = 0; k < ROUNDS; ++k) {
      const float score = sumOver(lanes, dot(query, key[k])) * scale;
      if (start + k * groups + group <= last) {
        const float next = score > largest ? score : largest;
        const float fade = __expf(largest - next);
        const float weight = __expf(score - next);
        sum = sum * fade + weight;
        for (int i = 0; i < PER; ++i) mixed[i] = mixed[i] * fade + weight * toFloat(value[k].at[i]);
        largest = next;
      }
    }
  }

  // First the groups of a warp, then the warps.
  for (int apart = lanes; apart < 32; apart *= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, largest, apart);
    const float next = other > largest ? other : largest;
    const float fade = __expf(largest - next);
    largest = next;
    sum *= fade;
    sum += __shfl_xor_sync(0xffffffffu, sum, apart);
    for (int i = 0; i < PER; ++i) {
      mixed[i] *= fade;
      mixed[i] += __shfl_xor_sync(0xffffffffu, mixed[i], apart);
    }
  }
  __shared__ float most[WARPS], sums[WARPS], parts[WARPS][32 * PER];
  const int warp = threadIdx.x / 32;
  if (threadIdx.x % 32 < lanes) {
    most[warp] = largest;
    sums[warp] = sum;
    for (int i = 0; i < PER; ++i) parts[warp][lane * PER + i] = mixed[i];
  }
  __syncthreads();
  float top = most[0], whole = 0;
  for (int i = 1; i < WARPS; ++i) top = most[i] > top ? most[i] : top;
  for (int i = 0; i < WARPS; ++i) whole += sums[i] * __expf(most[i] - top);
  for (int i = threadIdx.x; i < size; i += THREADS) {
    float result = 0;
    for (int k = 0; k < WARPS; ++k) result += parts[k][i] * __expf(most[k] - top);
    y[head * size + i] = fromFloat(result / whole);
  }
}
