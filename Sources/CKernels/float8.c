// F8_E4M3 ("fn"): four exponent bits, bias 7, no infinities, 0x7f and 0xff are NaN, largest 448.

#include "CKernels.h"
#include "scalar.h"

static inline float rl_one_f8e4m3_to_f32(uint8_t h) {
  uint32_t magnitude = h & 0x7fu, sign = (uint32_t)(h & 0x80u) << 24;
  uint32_t normal = (magnitude << 20) + ((127u - 7u) << 23);
  uint32_t subnormal = rl_bits32((float)(int32_t)magnitude * 0x1p-9f);
  uint32_t finite = magnitude < 8u ? subnormal : normal;
  return rl_float32((magnitude == 0x7fu ? 0x7fc00000u : finite) | sign);
}

static inline uint8_t rl_one_f32_to_f8e4m3(float x) {
  uint32_t bits = rl_bits32(x), u = bits & 0x7fffffffu, sign = (bits >> 24) & 0x80u;
  uint32_t normal = (u + 0x7ffffu + ((u >> 20) & 1u) - ((127u - 7u) << 23)) >> 20;
  // Adding 2^14 makes the unit in the last place 2^-9, that of the subnormals.
  uint32_t subnormal = rl_bits32(rl_float32(u) + 0x1p+14f) - rl_bits32(0x1p+14f);
  uint32_t finite = u < rl_bits32(0x1p-6f) ? subnormal : normal;
  uint32_t bounded = u > rl_bits32(448.0f) ? 0x7eu : finite;
  return (uint8_t)((u > 0x7f800000u ? 0x7fu : bounded) | sign);
}

static inline uint8_t rl_one_f64_to_f8e4m3(double x) {
  uint64_t bits = rl_bits64(x), u = bits & 0x7fffffffffffffffu, sign = (bits >> 56) & 0x80u;
  uint64_t normal =
      (u + 0xffffffffffffu + ((u >> 49) & 1u) - ((uint64_t)(1023 - 7) << 52)) >> 49;
  uint64_t subnormal = rl_bits64(rl_float64(u) + 0x1p+43) - rl_bits64(0x1p+43);
  uint64_t finite = u < rl_bits64(0x1p-6) ? subnormal : normal;
  uint64_t bounded = u > rl_bits64(448.0) ? 0x7eu : finite;
  return (uint8_t)((u > 0x7ff0000000000000u ? 0x7fu : bounded) | sign);
}

void rl_f8e4m3_to_f32(const uint8_t *source, float *target, size_t count) {
  for (size_t i = 0; i < count; i++) target[i] = rl_one_f8e4m3_to_f32(source[i]);
}

void rl_f8e4m3_to_f64(const uint8_t *source, double *target, size_t count) {
  for (size_t i = 0; i < count; i++) target[i] = rl_one_f8e4m3_to_f32(source[i]);
}

void rl_f32_to_f8e4m3(const float *source, uint8_t *target, size_t count) {
  for (size_t i = 0; i < count; i++) target[i] = rl_one_f32_to_f8e4m3(source[i]);
}

void rl_f64_to_f8e4m3(const double *source, uint8_t *target, size_t count) {
  for (size_t i = 0; i < count; i++) target[i] = rl_one_f64_to_f8e4m3(source[i]);
}

// MARK: Scaled blocks

double rl_block_maximum(const double *values, size_t rows, size_t columns, size_t stride) {
  // As integers the magnitudes have the order of the numbers, NaN above all.
  uint64_t greatest = 0;
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) {
      uint64_t magnitude = rl_bits64(values[r * stride + c]) & 0x7fffffffffffffffu;
      greatest = magnitude > greatest ? magnitude : greatest;
    }
  return rl_float64(greatest);
}

void rl_dequantise_block(const uint8_t *source, size_t source_stride, double scale,
                         double *target, size_t target_stride, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++)
      target[r * target_stride + c] =
          (double)rl_one_f8e4m3_to_f32(source[r * source_stride + c]) * scale;
}

void rl_quantise_block(const double *source, size_t source_stride, double scale, uint8_t *target,
                       size_t target_stride, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++)
      target[r * target_stride + c] =
          rl_one_f64_to_f8e4m3(source[r * source_stride + c] / scale);
}
