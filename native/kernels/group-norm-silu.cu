// GroupNorm, then SiLU: one pass over the data for the moments and one for the result; the same for the gradient.
// Compiled at run time by NVRTC (src/torch/cuda/group-norm-silu.ts), once for each
//   ELEMENT        see element.h, which precedes this; all arithmetic is in float32
//   CHANNELS_LAST  0 for [N, C, P], 1 for [N, P, C], P pixels in total
//   SILU           0 leaves the activation out
// A thread reads four elements at once, so P, or C / G in channels-last, is a multiple of four. A block stays in one
// image, and its threads stay in their channel (four channels in channels-last), so that only addresses change
// in the loops. blockIdx.x is the plane, group or image, blockIdx.y the piece of it.

struct alignas(4 * sizeof(Element)) Vector {
  Element at[4];
};

#define MOST_THREADS 512

static __device__ float sigmoid(float z) { return __fdividef(1.0f, 1.0f + __expf(-z)); }

// Sums over the block, returned to its first thread; blockDim.x is a power of two.
static __device__ void addUp(float& first, float& second) {
  __shared__ float sums[2][MOST_THREADS];
  sums[0][threadIdx.x] = first;
  sums[1][threadIdx.x] = second;
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      sums[0][threadIdx.x] += sums[0][threadIdx.x + half];
      sums[1][threadIdx.x] += sums[1][threadIdx.x + half];
    }
  }
  first = sums[0][0];
  second = sums[1][0];
}

// The range of a block: `count` steps, in pieces of `piece`, from `begin` by `step` to `end`.
struct Range {
  int begin, end, step;
};
static __device__ Range rangeOf(int count, int piece, int offset, int step) {
  const int start = blockIdx.y * piece;
  const int stop = start + piece;
  return {start + offset, stop < count ? stop : count, step};
}

// The first element of a group: sums are taken of the differences from it, which keeps precision if the mean is large.
static __device__ float shiftOf(const Element* x, int image, int group, int channels, int pixels, int groups) {
  const long long size = channels / groups;
  return toFloat(CHANNELS_LAST ? x[(long long)image * pixels * channels + group * size]
                               : x[((long long)image * groups + group) * size * pixels]);
}

// partial [N, G, pieces, 2]: sums of the differences and of their squares.
extern "C" __global__ void partialMoments(const Element* x, float* partial, int channels, int pixels, int groups,
                                          int piece) {
  const int pieces = gridDim.y;
#if CHANNELS_LAST
  const int columns = channels / 4;
  const int ownGroups = columns / groups;  // columns of one group
  const int column = threadIdx.x % columns;
  const int rows = blockDim.x / columns;
  const int image = blockIdx.x;
  const float shift = shiftOf(x, image, column / ownGroups, channels, pixels, groups);
  const Vector* data = (const Vector*)x + (long long)image * pixels * columns + column;
  const Range range = rangeOf(pixels, piece, threadIdx.x / columns, rows);
  const long long stride = columns;
#else
  const int image = blockIdx.x / groups;
  const int group = blockIdx.x % groups;
  const int units = channels / groups * (pixels / 4);
  const float shift = shiftOf(x, image, group, channels, pixels, groups);
  const Vector* data = (const Vector*)x + (long long)blockIdx.x * units;
  const Range range = rangeOf(units, piece, threadIdx.x, blockDim.x);
  const long long stride = 1;
#endif
  float sum = 0, squares = 0;
  for (int i = range.begin; i < range.end; i += range.step) {
    const Vector vector = data[i * stride];
    for (int j = 0; j < 4; ++j) {
      const float distance = toFloat(vector.at[j]) - shift;
      sum += distance;
      squares += distance * distance;
    }
  }
#if CHANNELS_LAST
  __shared__ float sums[MOST_THREADS][2];
  sums[threadIdx.x][0] = sum;
  sums[threadIdx.x][1] = squares;
  __syncthreads();
  for (int group = threadIdx.x; group < groups; group += blockDim.x) {
    float total = 0, totalSquares = 0;
    for (int row = 0; row < rows; ++row) {
      for (int k = 0; k < ownGroups; ++k) {
        total += sums[row * columns + group * ownGroups + k][0];
        totalSquares += sums[row * columns + group * ownGroups + k][1];
      }
    }
    float* place = partial + (((long long)image * groups + group) * pieces + blockIdx.y) * 2;
    place[0] = total;
    place[1] = totalSquares;
  }
#else
  addUp(sum, squares);
  if (threadIdx.x == 0) {
    float* place = partial + ((long long)blockIdx.x * pieces + blockIdx.y) * 2;
    place[0] = sum;
    place[1] = squares;
  }
#endif
}

// moments [N, G, 2]: the mean and the reciprocal standard deviation. One block per group.
extern "C" __global__ void moments(const Element* x, const float* partial, float* result, int channels, int pixels,
                                   int groups, int pieces, float eps) {
  float sum = 0, squares = 0;
  for (int i = threadIdx.x; i < pieces; i += blockDim.x) {
    sum += partial[((long long)blockIdx.x * pieces + i) * 2];
    squares += partial[((long long)blockIdx.x * pieces + i) * 2 + 1];
  }
  addUp(sum, squares);
  if (threadIdx.x != 0) return;
  const float count = (float)(channels / groups) * (float)pixels;
  const float distance = sum / count;
  const float variance = squares / count - distance * distance;
  result[blockIdx.x * 2] = distance + shiftOf(x, blockIdx.x / groups, blockIdx.x % groups, channels, pixels, groups);
  result[blockIdx.x * 2 + 1] = rsqrtf((variance > 0 ? variance : 0) + eps);
}

// The position of a thread in the kernels that iterate over planes or pixels.
struct Place {
  int image, channel;  // the first of four in channels-last
  long long first, stride;
  Range range;
};
static __device__ Place placeOf(int channels, int pixels, int piece) {
#if CHANNELS_LAST
  const int columns = channels / 4;
  const int column = threadIdx.x % columns;
  const Range range = rangeOf(pixels, piece, threadIdx.x / columns, blockDim.x / columns);
  return {(int)blockIdx.x, column * 4, (long long)blockIdx.x * pixels * columns + column, columns, range};
#else
  const Range range = rangeOf(pixels / 4, piece, threadIdx.x, blockDim.x);
  return {(int)blockIdx.x / channels, (int)blockIdx.x % channels, (long long)blockIdx.x * (pixels / 4), 1, range};
#endif
}
#define OWN(j) (CHANNELS_LAST ? (j) : 0)  // the index of a thread's channel that element j of a vector belongs to
#define OWN_CHANNELS (CHANNELS_LAST ? 4 : 1)

extern "C" __global__ void forward(const Element* x, const Element* weight, const Element* bias, const float* moments,
                                   Element* y, int channels, int pixels, int groups, int piece) {
  const Place place = placeOf(channels, pixels, piece);
  const float* own = moments + (place.image * groups + place.channel / (channels / groups)) * 2;
  float scale[OWN_CHANNELS], offset[OWN_CHANNELS];
  for (int j = 0; j < OWN_CHANNELS; ++j) {
    scale[j] = own[1] * toFloat(weight[place.channel + j]);
    offset[j] = toFloat(bias[place.channel + j]) - own[0] * scale[j];
  }
  const Vector* data = (const Vector*)x + place.first;
  Vector* results = (Vector*)y + place.first;
  for (int i = place.range.begin; i < place.range.end; i += place.range.step) {
    Vector vector = data[i * place.stride];
    for (int j = 0; j < 4; ++j) {
      const float z = toFloat(vector.at[j]) * scale[OWN(j)] + offset[OWN(j)];
      vector.at[j] = fromFloat(SILU ? z * sigmoid(z) : z);
    }
    results[i * place.stride] = vector;
  }
}

// The gradient before the activation, for the normalised element `xHat`.
static __device__ float beforeSilu(float gradient, float xHat, float weight, float bias) {
  if (!SILU) return gradient;
  const float z = xHat * weight + bias;
  const float s = sigmoid(z);
  return gradient * s * (1.0f + z * (1.0f - s));
}

// partial [N, C, pieces, 2]: sums of that gradient, and of it times the normalised element.
extern "C" __global__ void partialGradients(const Element* x, const Element* gradient, const Element* weight,
                                            const Element* bias, const float* moments, float* partial, int channels,
                                            int pixels, int groups, int piece) {
  const Place place = placeOf(channels, pixels, piece);
  const float* own = moments + (place.image * groups + place.channel / (channels / groups)) * 2;
  float scales[OWN_CHANNELS], offsets[OWN_CHANNELS];
  float sums[OWN_CHANNELS] = {}, products[OWN_CHANNELS] = {};
  for (int j = 0; j < OWN_CHANNELS; ++j) {
    scales[j] = toFloat(weight[place.channel + j]);
    offsets[j] = toFloat(bias[place.channel + j]);
  }
  const Vector* data = (const Vector*)x + place.first;
  const Vector* gradients = (const Vector*)gradient + place.first;
  for (int i = place.range.begin; i < place.range.end; i += place.range.step) {
    const Vector vector = data[i * place.stride];
    const Vector incoming = gradients[i * place.stride];
    for (int j = 0; j < 4; ++j) {
      const float xHat = (toFloat(vector.at[j]) - own[0]) * own[1];
      const float before = beforeSilu(toFloat(incoming.at[j]), xHat, scales[OWN(j)], offsets[OWN(j)]);
      sums[OWN(j)] += before;
      products[OWN(j)] += before * xHat;
    }
  }
#if CHANNELS_LAST
  __shared__ float all[MOST_THREADS][8];
  for (int j = 0; j < 4; ++j) {
    all[threadIdx.x][j * 2] = sums[j];
    all[threadIdx.x][j * 2 + 1] = products[j];
  }
  __syncthreads();
  const int columns = channels / 4;
  const int rows = blockDim.x / columns;
  for (int i = threadIdx.x; i < channels * 2; i += blockDim.x) {
    const int channel = i / 2;
    float total = 0;
    for (int row = 0; row < rows; ++row) total += all[row * columns + channel / 4][channel % 4 * 2 + i % 2];
    partial[(((long long)place.image * channels + channel) * gridDim.y + blockIdx.y) * 2 + i % 2] = total;
  }
#else
  addUp(sums[0], products[0]);
  if (threadIdx.x == 0) {
    float* result = partial + ((long long)blockIdx.x * gridDim.y + blockIdx.y) * 2;
    result[0] = sums[0];
    result[1] = products[0];
  }
#endif
}

// means [N, G, 2]: means over the group of (that gradient · weight), and of it times the normalised element.
extern "C" __global__ void backward(const Element* x, const Element* gradient, const Element* weight,
                                    const Element* bias, const float* moments, const float* means, Element* result,
                                    int channels, int pixels, int groups, int piece) {
  const Place place = placeOf(channels, pixels, piece);
  const int group = place.image * groups + place.channel / (channels / groups);
  const float mean = moments[group * 2], rstd = moments[group * 2 + 1];
  const float meanGradient = means[group * 2], meanProduct = means[group * 2 + 1];
  float scales[OWN_CHANNELS], offsets[OWN_CHANNELS];
  for (int j = 0; j < OWN_CHANNELS; ++j) {
    scales[j] = toFloat(weight[place.channel + j]);
    offsets[j] = toFloat(bias[place.channel + j]);
  }
  const Vector* data = (const Vector*)x + place.first;
  const Vector* gradients = (const Vector*)gradient + place.first;
  Vector* results = (Vector*)result + place.first;
  for (int i = place.range.begin; i < place.range.end; i += place.range.step) {
    const Vector vector = data[i * place.stride];
    Vector incoming = gradients[i * place.stride];
    for (int j = 0; j < 4; ++j) {
      const float xHat = (toFloat(vector.at[j]) - mean) * rstd;
      const float before = beforeSilu(toFloat(incoming.at[j]), xHat, scales[OWN(j)], offsets[OWN(j)]);
      incoming.at[j] = fromFloat(rstd * (before * scales[OWN(j)] - meanGradient - xHat * meanProduct));
    }
    results[i * place.stride] = incoming;
  }
}
