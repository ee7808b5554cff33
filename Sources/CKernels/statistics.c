#pragma STDC FP_CONTRACT OFF

#include "CKernels.h"
#include "scalar.h"

// Eight columns in float64, which stand at any multiple of eight bytes.
typedef double rl_f64x8 __attribute__((vector_size(64), aligned(8)));

// Rows whose elements wait in float64, 16 KiB of the first-level cache.
#define RL_STATISTICS_ROWS 32

// Each inclusion compiles the same loops for one instruction set, under names that end in LEVEL.
// RL_RANKS lines by RL_VECTORS times eight columns of sums fit its registers. A fused product is
// taken only where the product is exact, so it has the bits of one that is rounded first.

#define RL_PLAIN(sum, x, y) ((sum) + (x) * (y))
#define RL_FUSED(sum, x, y) __builtin_elementwise_fma((x), (y), (sum))

#define LEVEL baseline
#define RL_RANKS 2
#define RL_VECTORS 1
#ifdef __aarch64__
#define RL_EXACT RL_FUSED
#else
#define RL_EXACT RL_PLAIN
#endif
#include "statistics_loops.h"
#undef LEVEL
#undef RL_RANKS
#undef RL_VECTORS
#undef RL_EXACT

#if defined(__x86_64__) && defined(__clang__)
#define RL_HAS_X86_LEVELS 1
#define RL_EXACT RL_FUSED

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define LEVEL avx2
#define RL_RANKS 4
#define RL_VECTORS 1
#include "statistics_loops.h"
#undef LEVEL
#undef RL_RANKS
#undef RL_VECTORS
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define LEVEL avx512
#define RL_RANKS 8
#define RL_VECTORS 2
#include "statistics_loops.h"
#undef LEVEL
#undef RL_RANKS
#undef RL_VECTORS
#pragma clang attribute pop

// A CPU with AVX2 and without fused products has the baseline.
#define RL_DISPATCH(name, ...)                                                          \
  if (level == RL_LEVEL_AVX512) name##_avx512(__VA_ARGS__);                             \
  else if (level == RL_LEVEL_AVX2 && __builtin_cpu_supports("fma")) name##_avx2(__VA_ARGS__); \
  else name##_baseline(__VA_ARGS__);
#else
#define RL_DISPATCH(name, ...) (void)level; name##_baseline(__VA_ARGS__);
#endif

// Whether no bits of a product with an element of 24 bits are lost in float64.
static int rl_are_float32(const double *x, size_t count) {
  int same = 1;
  for (size_t i = 0; i < count; i++) same &= (double)(float)x[i] == x[i];
  return same;
}

#define RL_STATISTICS(name, storage, load, fits)                                        \
  void name(rl_level level, const storage *w, size_t rows, size_t columns, const double *b, \
            const double *a, size_t count, size_t rank, size_t stride, double *scratch, \
            double *cross, rl_weight_sums *sums) {                                      \
    int exact = fits && rl_are_float32(b, rows * rank);                                 \
    sums->squared_norm = 0;                                                             \
    sums->non_finite = 0;                                                               \
    for (size_t k = 0; k < count; k++) cross[k] = 0;                                    \
    RL_DISPATCH(name, w, rows, columns, b, a, count, rank, stride, exact, scratch, cross, \
                &sums->squared_norm)                                                    \
    /* A sum of squares is finite only where all elements are. */                       \
    if (sums->squared_norm - sums->squared_norm == 0) return;                           \
    for (size_t i = 0; i < rows * columns; i++) {                                       \
      double x = load(w[i]);                                                            \
      sums->non_finite += !(x - x == 0);                                                \
    }                                                                                   \
  }

#define RL_ITSELF(x) (x)
RL_STATISTICS(rl_weight_statistics_bf16, uint16_t, rl_one_bf16_to_f32, 1)
RL_STATISTICS(rl_weight_statistics_f16, uint16_t, rl_one_f16_to_f32, 1)
RL_STATISTICS(rl_weight_statistics_f32, float, RL_ITSELF, 1)
RL_STATISTICS(rl_weight_statistics_f64, double, RL_ITSELF, 0)
