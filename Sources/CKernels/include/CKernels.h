// The inner loops of the package. Everything here is pure: no allocation, no globals, no I/O.
//
// Rounding is to nearest, ties to even, unless a function says otherwise; products are never fused with sums, so every
// function gives the same bits on every CPU and at every dispatch level.
#pragma once

#include <stddef.h>
#include <stdint.h>

// MARK: Dispatch

/// Instruction sets a kernel was compiled for; a higher value needs a newer CPU.
typedef enum {
  RL_LEVEL_BASELINE = 0,
  RL_LEVEL_AVX2 = 1,
  RL_LEVEL_AVX512 = 2,
} rl_level;

/// The best level this CPU and build support.
rl_level rl_best_level(void);

// MARK: Conversions of `count` elements, exact where the target can hold the value

void rl_f16_to_f64(const uint16_t *source, double *target, size_t count);
void rl_bf16_to_f64(const uint16_t *source, double *target, size_t count);
void rl_f32_to_f64(const float *source, double *target, size_t count);
void rl_f64_to_f16(const double *source, uint16_t *target, size_t count);
void rl_f64_to_bf16(const double *source, uint16_t *target, size_t count);
void rl_f64_to_f32(const double *source, float *target, size_t count);
void rl_f16_to_f32(const uint16_t *source, float *target, size_t count);
void rl_bf16_to_f32(const uint16_t *source, float *target, size_t count);
void rl_f32_to_f16(const float *source, uint16_t *target, size_t count);
void rl_f32_to_bf16(const float *source, uint16_t *target, size_t count);

// MARK: Stochastic rounding

/// Which random numbers round the elements of a call: those of one tensor, from an element on. The
/// result depends on the key and each element's index only. In the place of a pointer to it, null
/// means rounding to nearest.
typedef struct {
  /// As `rl_rounding_key` gives it.
  uint64_t key;
  /// The index in its tensor of the first element.
  uint64_t first;
} rl_rounding;

/// The key of tensor number `tensor` under a seed.
uint64_t rl_rounding_key(uint64_t seed, uint64_t tensor);

// MARK: Fold (Spec, Folding §3.1, §3.3)

/// What one call of a fold kernel saw; callers add the fields up in a fixed order.
typedef struct {
  /// Sum of delta squared.
  double delta_squared;
  /// Sum of ((stored - w) - delta) squared.
  double residual_squared;
  /// Elements whose stored value stayed the same though their delta is not zero.
  uint64_t unchanged;
  /// Elements that were finite before and are not after.
  uint64_t overflowed;
} rl_fold_statistics;

/// The columns of one panel of a packed `a`.
enum { RL_PANEL = 32 };

/// Packs `a` (rank x columns, row-major) for the fold kernels: panels of RL_PANEL columns one after
/// the other, each rank x RL_PANEL, the last one filled up with zeros. A panel is then read from
/// one place, whatever the width of `a`.
void rl_pack_f32(const double *a, float *packed, size_t rank, size_t columns);
void rl_pack_f64(const double *a, double *packed, size_t rank, size_t columns);

/// w += b a, in place, `rows` x `columns` row-major without gaps; b is rows x rank; a is rank x
/// columns, packed. 16-bit weights accumulate in float32, the others in float64. Float64 weights are
/// never rounded stochastically.
void rl_fold_bf16(rl_level level, uint16_t *w, size_t rows, size_t columns, const float *b,
                  const float *a, size_t rank, const rl_rounding *rounding,
                  rl_fold_statistics *statistics);
void rl_fold_f16(rl_level level, uint16_t *w, size_t rows, size_t columns, const float *b,
                 const float *a, size_t rank, const rl_rounding *rounding,
                  rl_fold_statistics *statistics);
void rl_fold_f32(rl_level level, float *w, size_t rows, size_t columns, const double *b,
                 const double *a, size_t rank, const rl_rounding *rounding,
                  rl_fold_statistics *statistics);
void rl_fold_f64(rl_level level, double *w, size_t rows, size_t columns, const double *b,
                 const double *a, size_t rank, const rl_rounding *rounding,
                  rl_fold_statistics *statistics);

/// Between which values a row of a folded weight must lie, in float64: with y = before + b a (b has
/// `rank` elements, a is rank x columns, not packed) and e = unit (|before| + |b| |a|), low = y - e
/// and high = y + e.
void rl_bounds_f64(rl_level level, const double *before, const double *b, const double *a,
                   size_t rank, size_t columns, double unit, double *low, double *high);

/// The first element that is finite before and after but not within its bounds; `count` if none is.
size_t rl_first_outside(const double *before, const double *after, const double *low,
                        const double *high, size_t count);

// MARK: Store (Spec, Folding §3.1, §3.3)

/// New values of `count` weights, computed in float64, become stored elements with one rounding
/// each. They are `values`, or before + deltas where `deltas` is not null; `before` holds the
/// weights as they were. An element counts as unchanged where it is what `before` rounds to (to
/// nearest) though its delta is not zero. Figures are kept in eight lanes, by index in the call.
void rl_store_f64(rl_level level, double *target, const double *before, const double *values,
                  const double *deltas, size_t count, const rl_rounding *rounding,
                  rl_fold_statistics *statistics);
void rl_store_f32(rl_level level, float *target, const double *before, const double *values,
                  const double *deltas, size_t count, const rl_rounding *rounding,
                  rl_fold_statistics *statistics);
void rl_store_f16(rl_level level, uint16_t *target, const double *before, const double *values,
                  const double *deltas, size_t count, const rl_rounding *rounding,
                  rl_fold_statistics *statistics);
void rl_store_bf16(rl_level level, uint16_t *target, const double *before, const double *values,
                   const double *deltas, size_t count, const rl_rounding *rounding,
                   rl_fold_statistics *statistics);

// MARK: 8-bit floats with 4 exponent bits ("fn": no infinities)

/// Exact.
void rl_f8e4m3_to_f32(const uint8_t *source, float *target, size_t count);
void rl_f8e4m3_to_f64(const uint8_t *source, double *target, size_t count);

/// Saturating: what lies beyond 448, the largest number, becomes 448, infinities too; NaN stays NaN.
/// PyTorch converts so too; its older versions made NaN of what lies beyond 464.
void rl_f32_to_f8e4m3(const float *source, uint8_t *target, size_t count);
void rl_f64_to_f8e4m3(const double *source, uint8_t *target, size_t count);

/// The largest magnitude in a block, rows of `columns` elements `stride` apart; NaN if one is.
double rl_block_maximum(const double *values, size_t rows, size_t columns, size_t stride);

/// target = source * scale.
void rl_dequantise_block(const uint8_t *source, size_t source_stride, double scale,
                         double *target, size_t target_stride, size_t rows, size_t columns);

/// target = source / scale, the quotient in float64, then as `rl_f64_to_f8e4m3`.
void rl_quantise_block(const double *source, size_t source_stride, double scale, uint8_t *target,
                       size_t target_stride, size_t rows, size_t columns);

// MARK: Dense products in float64

/// c (m x n) = x (m x k) y (k x n), or c += x y where `accumulate` is set; all row-major, y and c
/// with strides of their own; terms are added in the order of k.
void rl_multiply_f64(rl_level level, const double *x, const double *y, double *c, size_t m,
                     size_t k, size_t n, size_t y_stride, size_t c_stride, int accumulate);

/// gram (n x n) = transposed x times x, of x m x n; terms are added in the order of m, as
/// `rl_multiply_f64` adds them.
void rl_gram_f64(rl_level level, const double *x, size_t m, size_t n, double *gram);

/// Sum of x[i] y[i], in sixteen lanes that are added up in order.
double rl_dot_f64(rl_level level, const double *x, const double *y, size_t count);

// MARK: Byte shuffle (Spec, Container §3.3)

/// All first bytes of `count` elements of `width` bytes (2, 4 or 8), then all second bytes, and so
/// on; other widths are copied as they are.
void rl_shuffle(const uint8_t *source, uint8_t *target, size_t count, size_t width);

/// The inverse of `rl_shuffle`.
void rl_unshuffle(const uint8_t *source, uint8_t *target, size_t count, size_t width);

// MARK: Statistics of weights (Spec, Merging §4.5)

#include "WeightStatistics.h"
