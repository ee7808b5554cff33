// The vector types of the fold kernels; the compiler splits them where registers are narrower.
#pragma once

#include "CKernels.h"

#define RL_VECTOR_TYPE(name, element, count) \
  typedef element name __attribute__((vector_size(sizeof(element) * count)))

RL_VECTOR_TYPE(rl_f32x16, float, 16);
RL_VECTOR_TYPE(rl_u32x16, uint32_t, 16);
RL_VECTOR_TYPE(rl_i32x16, int32_t, 16);
RL_VECTOR_TYPE(rl_u16x16, uint16_t, 16);
RL_VECTOR_TYPE(rl_f64x16, double, 16);
RL_VECTOR_TYPE(rl_f64x8, double, 8);
RL_VECTOR_TYPE(rl_u64x8, uint64_t, 8);
RL_VECTOR_TYPE(rl_i64x8, int64_t, 8);
RL_VECTOR_TYPE(rl_f32x8, float, 8);
RL_VECTOR_TYPE(rl_u32x8, uint32_t, 8);
RL_VECTOR_TYPE(rl_i32x8, int32_t, 8);
RL_VECTOR_TYPE(rl_u16x8, uint16_t, 8);
#if defined(__x86_64__)
RL_VECTOR_TYPE(rl_f16x16, _Float16, 16);
#endif

// The vector of 64 bytes of an accumulator's type, its elements' bits, and how many it has.
#define rl_vector_float rl_f32x16
#define rl_vector_double rl_f64x8
#define rl_bits_float rl_u32x16
#define rl_bits_double rl_u64x8
#define RL_VECTOR(accumulator) rl_vector_##accumulator
#define RL_BITS(accumulator) rl_bits_##accumulator
#define RL_LANES(accumulator) (64 / sizeof(accumulator))

/// The figures of the units of a fold that lie at one place of their panels.
typedef struct {
  rl_f64x16 delta2, residual2;
  rl_u32x16 same;
} rl_figures_float;

typedef struct {
  rl_f64x8 delta2, residual2;
  rl_u64x8 same;
} rl_figures_double;

#define RL_FIGURES(accumulator) rl_figures_##accumulator

/// The figures of a store by index modulo eight.
typedef struct {
  rl_f64x8 delta2, residual2;
  rl_u64x8 same, overflowed;
} rl_figures_store;

/// How many columns' part of `a` stays in the first-level cache while all rows pass.
static inline size_t rl_column_block(size_t rank, size_t size) {
  size_t fitting = (32u << 10) / ((rank ? rank : 1) * size);
  size_t unit = RL_PANEL / 2;
  return fitting < unit ? unit : fitting > 512 ? 512 : fitting / unit * unit;
}
