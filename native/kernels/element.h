// Element type of the tensors: ELEMENT is 0 for float32, 1 for bfloat16, 2 for float16.

#if ELEMENT == 0
typedef float Element;
static __device__ float toFloat(Element value) { return value; }
static __device__ Element fromFloat(float value) { return value; }
#elif ELEMENT == 1
typedef unsigned short Element;
static __device__ float toFloat(Element value) { return __uint_as_float((unsigned)value << 16); }
static __device__ Element fromFloat(float value) {
  const unsigned bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;  // NaN
  return (Element)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#else
typedef unsigned short Element;
#ifndef HALF_CONVERSIONS
static __device__ float toFloat(Element value) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value));
  return result;
}
static __device__ Element fromFloat(float value) {
  Element result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result) : "f"(value));
  return result;
}
#endif
#endif
