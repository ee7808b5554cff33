// Conversions of one element, written without branches so that loops over them become vector code.
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint32_t rl_bits32(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
static inline float rl_float32(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }
static inline uint64_t rl_bits64(double x) { uint64_t u; memcpy(&u, &x, 8); return u; }
static inline double rl_float64(uint64_t u) { double x; memcpy(&x, &u, 8); return x; }

static inline float rl_one_bf16_to_f32(uint16_t h) { return rl_float32((uint32_t)h << 16); }

static inline float rl_one_f16_to_f32(uint16_t h) {
  uint32_t magnitude = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u) << 16;
  uint32_t normal = (magnitude << 13) + 0x38000000u;
  uint32_t special = (magnitude << 13) + 0x70000000u;
  uint32_t subnormal = rl_bits32((float)(int32_t)magnitude * 0x1p-24f);
  uint32_t finite = magnitude < 0x400u ? subnormal : normal;
  return rl_float32((magnitude >= 0x7c00u ? special : finite) | sign);
}

static inline uint16_t rl_one_f32_to_bf16(float x) {
  uint32_t u = rl_bits32(x);
  uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  uint32_t quiet = (u >> 16) | 0x40u;
  return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

static inline uint16_t rl_one_f32_to_f16(float x) {
  uint32_t bits = rl_bits32(x), u = bits & 0x7fffffffu, sign = (bits >> 16) & 0x8000u;
  uint32_t normal = (u + 0xfffu + ((u >> 13) & 1u) - 0x38000000u) >> 13;
  // Adding one half makes the unit in the last place 2^-24, that of float16's subnormals.
  uint32_t subnormal = rl_bits32(rl_float32(u) + 0.5f) - 0x3f000000u;
  uint32_t nan = 0x7e00u | ((u >> 13) & 0x1ffu);
  uint32_t finite = u < 0x38800000u ? subnormal : normal;
  uint32_t bounded = u >= 0x477ff000u ? 0x7c00u : finite;
  return (uint16_t)((u > 0x7f800000u ? nan : bounded) | sign);
}

static inline uint16_t rl_one_f64_to_bf16(double x) {
  uint64_t bits = rl_bits64(x), u = bits & 0x7fffffffffffffffu, sign = (bits >> 48) & 0x8000u;
  uint64_t normal =
      (u + 0xfffffffffffu + ((u >> 45) & 1u) - ((uint64_t)(1023 - 127) << 52)) >> 45;
  // Adding 2^-81 makes the unit in the last place 2^-133, that of bfloat16's subnormals.
  uint64_t subnormal = rl_bits64(rl_float64(u) + 0x1p-81) - rl_bits64(0x1p-81);
  uint64_t nan = 0x7fc0u | ((u >> 45) & 0x3fu);
  uint64_t finite = u < rl_bits64(0x1p-126) ? subnormal : normal;
  uint64_t bounded = u >= rl_bits64(0x1.ffp+127) ? 0x7f80u : finite;
  return (uint16_t)((u > 0x7ff0000000000000u ? nan : bounded) | sign);
}

static inline uint16_t rl_one_f64_to_f16(double x) {
  uint64_t bits = rl_bits64(x), u = bits & 0x7fffffffffffffffu, sign = (bits >> 48) & 0x8000u;
  uint64_t normal =
      (u + 0x1ffffffffffu + ((u >> 42) & 1u) - ((uint64_t)(1023 - 15) << 52)) >> 42;
  // Adding 2^28 makes the unit in the last place 2^-24, that of float16's subnormals.
  uint64_t subnormal = rl_bits64(rl_float64(u) + 0x1p+28) - rl_bits64(0x1p+28);
  uint64_t nan = 0x7e00u | ((u >> 42) & 0x1ffu);
  uint64_t finite = u < rl_bits64(0x1p-14) ? subnormal : normal;
  uint64_t bounded = u >= rl_bits64(65520.0) ? 0x7c00u : finite;
  return (uint16_t)((u > 0x7ff0000000000000u ? nan : bounded) | sign);
}

/// Output number `index` of SplitMix64 (Steele, Lea and Flood, 2014) with `key` as its seed.
static inline uint64_t rl_random(uint64_t key, uint64_t index) {
  uint64_t z = key + (index + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
