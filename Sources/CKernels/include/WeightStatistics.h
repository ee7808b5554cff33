// What the norm of a weight plus small products needs to know of the weight (Spec, Merging §4.5).
#pragma once

#include "CKernels.h"

/// Columns that are worked on at once; `scratch` of a statistics kernel has room for so many of each
/// line of the rank.
enum { RL_STATISTICS_COLUMNS = 64 };

/// What one call of a statistics kernel saw, but for the inner products.
typedef struct {
  /// Sum of w squared.
  double squared_norm;
  /// Elements that are infinite or NaN.
  uint64_t non_finite;
} rl_weight_sums;

/// Sums over `rows` x `columns` of w, row-major without gaps, read once: w squared, and for each k
/// below `count` the inner product of bᵀ w and a_k, which is that of w and b a_k, into `cross[k]`.
/// b is rows x rank; a holds the a_k one after the other, each rank x `stride`, its stride a multiple
/// of RL_PANEL and at least `columns`, zero beyond `columns`; `scratch` has rank times
/// RL_STATISTICS_COLUMNS elements. Elements are widened to float64 and all sums are of float64.
void rl_weight_statistics_bf16(rl_level level, const uint16_t *w, size_t rows, size_t columns,
                               const double *b, const double *a, size_t count, size_t rank,
                               size_t stride, double *scratch, double *cross,
                               rl_weight_sums *sums);
void rl_weight_statistics_f16(rl_level level, const uint16_t *w, size_t rows, size_t columns,
                              const double *b, const double *a, size_t count, size_t rank,
                              size_t stride, double *scratch, double *cross, rl_weight_sums *sums);
void rl_weight_statistics_f32(rl_level level, const float *w, size_t rows, size_t columns,
                              const double *b, const double *a, size_t count, size_t rank,
                              size_t stride, double *scratch, double *cross, rl_weight_sums *sums);
void rl_weight_statistics_f64(rl_level level, const double *w, size_t rows, size_t columns,
                              const double *b, const double *a, size_t count, size_t rank,
                              size_t stride, double *scratch, double *cross, rl_weight_sums *sums);
