#pragma STDC FP_CONTRACT OFF

#include "CKernels.h"
#include "scalar.h"

#include <math.h>

// Each inclusion compiles the same loops for one instruction set, under names that end in LEVEL.

#define LEVEL baseline
#include "loops.h"
#undef LEVEL

#if defined(__x86_64__) && defined(__clang__)
#define RL_HAS_X86_LEVELS 1

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define LEVEL avx2
#include "loops.h"
#undef LEVEL
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define LEVEL avx512
#include "loops.h"
#undef LEVEL
#pragma clang attribute pop
#endif

rl_level rl_best_level(void) {
#ifdef RL_HAS_X86_LEVELS
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

#define RL_FOLD(name, storage, accumulator)                                              \
  void name(rl_level level, storage *w, size_t rows, size_t columns, const accumulator *b, \
            const accumulator *a, size_t rank, size_t stride, rl_fold_statistics *s) {   \
    RL_DISPATCH(name, w, rows, columns, b, a, rank, stride, s)                           \
  }

RL_FOLD(rl_fold_bf16, uint16_t, float)
RL_FOLD(rl_fold_f16, uint16_t, float)
RL_FOLD(rl_fold_f32, float, double)
RL_FOLD(rl_fold_f64, double, double)

void rl_multiply_f64(rl_level level, const double *x, const double *y, double *c, size_t m,
                     size_t k, size_t n, size_t y_stride, size_t c_stride, int accumulate) {
  RL_DISPATCH(rl_multiply_f64, x, y, c, m, k, n, y_stride, c_stride, accumulate)
}

double rl_dot_f64(rl_level level, const double *x, const double *y, size_t count) {
  RL_DISPATCH(rl_dot_f64, x, y, count)
}
