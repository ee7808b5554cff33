#pragma STDC FP_CONTRACT OFF

#include "CKernels.h"
#include "scalar.h"
#include "vectors.h"

#include <math.h>

// Vectors are passed to functions that are always inlined: there is no calling convention to keep.
#pragma clang diagnostic ignored "-Wpsabi"

// Each inclusion compiles the same loops for one instruction set, under names that end in LEVEL.
// RL_UNITS: vectors of columns that, for RL_ROWS rows, fit the registers.

#define LEVEL baseline
#define RL_UNITS 1
#include "loops.h"
#undef LEVEL

#if defined(__x86_64__) && defined(__clang__)
#define RL_HAS_X86_LEVELS 1

#define RL_HAS_F16C 1
#define RL_HAS_FMA 1

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define LEVEL avx2
#include "loops.h"
#undef LEVEL
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c"))), apply_to = function)
#define LEVEL avx512
#undef RL_UNITS
#define RL_UNITS 2
#include "loops.h"
#undef LEVEL
#pragma clang attribute pop
#endif

rl_level rl_best_level(void) {
#ifdef RL_HAS_X86_LEVELS
  if (!__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) return RL_LEVEL_BASELINE;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return RL_LEVEL_AVX512;
  if (__builtin_cpu_supports("avx2")) return RL_LEVEL_AVX2;
#endif
  return RL_LEVEL_BASELINE;
}

#ifdef RL_HAS_X86_LEVELS
#define RL_DISPATCH(name, ...)                                                          \
  switch (level) {                                                                      \
    case RL_LEVEL_AVX512: return name##_avx512(__VA_ARGS__);                            \
    case RL_LEVEL_AVX2: return name##_avx2(__VA_ARGS__);                                \
    default: return name##_baseline(__VA_ARGS__);                                       \
  }
#else
#define RL_DISPATCH(name, ...) (void)level; return name##_baseline(__VA_ARGS__);
#endif

uint64_t rl_rounding_key(uint64_t seed, uint64_t tensor) { return rl_random(seed, tensor); }

#define RL_FOLD(name, stochastic, storage, accumulator)                                  \
  void name(rl_level level, storage *w, size_t rows, size_t columns, const accumulator *b, \
            const accumulator *a, size_t rank, const rl_rounding *rounding,              \
            rl_fold_statistics *s) {                                                     \
    uint64_t key = rounding ? rounding->key : 0, first = rounding ? rounding->first : 0; \
    if (rounding) {                                                                      \
      RL_DISPATCH(stochastic, w, rows, columns, b, a, rank, key, first, s)               \
    } else {                                                                             \
      RL_DISPATCH(name, w, rows, columns, b, a, rank, key, first, s)                     \
    }                                                                                    \
  }

RL_FOLD(rl_fold_bf16, rl_fold_bf16_stochastic, uint16_t, float)
RL_FOLD(rl_fold_f16, rl_fold_f16_stochastic, uint16_t, float)
RL_FOLD(rl_fold_f32, rl_fold_f32_stochastic, float, double)
RL_FOLD(rl_fold_f64, rl_fold_f64, double, double)

#define RL_STORE(name, stochastic, storage)                                              \
  void name(rl_level level, storage *target, const double *before, const double *values, \
            const double *deltas, size_t count, const rl_rounding *rounding,             \
            rl_fold_statistics *s) {                                                     \
    uint64_t key = rounding ? rounding->key : 0, first = rounding ? rounding->first : 0; \
    if (rounding) {                                                                      \
      RL_DISPATCH(stochastic, target, before, values, deltas, count, key, first, s)      \
    } else {                                                                             \
      RL_DISPATCH(name, target, before, values, deltas, count, key, first, s)            \
    }                                                                                    \
  }

RL_STORE(rl_store_f64, rl_store_f64, double)
RL_STORE(rl_store_f32, rl_store_f32_stochastic, float)
RL_STORE(rl_store_f16, rl_store_f16_stochastic, uint16_t)
RL_STORE(rl_store_bf16, rl_store_bf16_stochastic, uint16_t)

#define RL_PACK(name, type)                                                              \
  void name(const double *a, type *packed, size_t rank, size_t columns) {                \
    for (size_t start = 0; start < columns; start += RL_PANEL) {                         \
      size_t width = columns - start < RL_PANEL ? columns - start : RL_PANEL;            \
      for (size_t j = 0; j < rank; j++, packed += RL_PANEL) {                            \
        for (size_t c = 0; c < width; c++) packed[c] = (type)a[j * columns + start + c]; \
        for (size_t c = width; c < RL_PANEL; c++) packed[c] = 0;                         \
      }                                                                                  \
    }                                                                                    \
  }

RL_PACK(rl_pack_f32, float)
RL_PACK(rl_pack_f64, double)

void rl_bounds_f64(rl_level level, const double *before, const double *b, const double *a,
                   size_t rank, size_t columns, double unit, double *low, double *high) {
  RL_DISPATCH(rl_bounds_f64, before, b, a, rank, columns, unit, low, high)
}

size_t rl_first_outside(const double *before, const double *after, const double *low,
                        const double *high, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (isfinite(before[i]) && isfinite(after[i]) && !(low[i] <= after[i] && after[i] <= high[i]))
      return i;
  return count;
}

void rl_multiply_f64(rl_level level, const double *x, const double *y, double *c, size_t m,
                     size_t k, size_t n, size_t y_stride, size_t c_stride, int accumulate) {
  RL_DISPATCH(rl_multiply_f64, x, y, c, m, k, n, y_stride, c_stride, accumulate)
}

void rl_gram_f64(rl_level level, const double *x, size_t m, size_t n, double *gram) {
  RL_DISPATCH(rl_gram_f64, x, m, n, gram)
}

double rl_dot_f64(rl_level level, const double *x, const double *y, size_t count) {
  RL_DISPATCH(rl_dot_f64, x, y, count)
}
