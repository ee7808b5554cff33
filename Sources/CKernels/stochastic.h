// Stochastic rounding of a unit, included by loops.h once for each dispatch level (no include guard
// on purpose): to the neighbour above with the probability of the distance from the neighbour
// below, so that the mean over many elements is the exact value.
//
// A value moves to a number that the target holds, in its own type; converting that is then exact.
// Values beyond the target's greatest number stay as they are, for rounding to nearest.

/// Outputs `index` to `index + 7` of SplitMix64 with `key` as its seed, as `rl_random`.
RL_INLINE rl_u64x8 RL_NAME(rl_random_x8)(uint64_t key, uint64_t index) {
  rl_u64x8 z = key + (index + (rl_u64x8){1, 2, 3, 4, 5, 6, 7, 8}) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// The upper halves of sixteen outputs.
RL_INLINE rl_u32x16 RL_NAME(rl_random_x16)(uint64_t key, uint64_t index) {
  rl_u32x8 low = __builtin_convertvector(RL_NAME(rl_random_x8)(key, index) >> 32, rl_u32x8);
  rl_u32x8 high = __builtin_convertvector(RL_NAME(rl_random_x8)(key, index + 8) >> 32, rl_u32x8);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

// `dropped`: the bits of the significand that the target lacks; `least`: its least normal number;
// `unit`: its least subnormal; `greatest`: its greatest number. `width` and `mantissa` are bits.
#define RL_ON_GRID(name, real, vector, bits_vector, int_vector, width, mantissa)                  \
  RL_INLINE vector RL_NAME(name)(vector x, bits_vector random, int dropped, real least,           \
                                 real unit, real greatest) {                                      \
    bits_vector bits = (bits_vector)x, sign = bits >> (width - 1) << (width - 1);                 \
    vector magnitude = (vector)(bits ^ sign), one = (vector){0} + 1;                              \
    bits_vector normal = (bits + (random >> (width - dropped))) >> dropped << dropped;            \
    bits_vector is_small = (bits_vector)(magnitude < least);                                      \
    bits_vector is_inside = (bits_vector)(magnitude <= greatest);                                 \
    vector units = (vector)((bits_vector)magnitude & is_small) * (1 / unit);                      \
    vector whole = __builtin_convertvector(__builtin_convertvector(units, int_vector), vector);   \
    vector chance = (vector)((random >> (width - mantissa)) | (bits_vector)one) - one;            \
    vector up = (vector)((bits_vector)one & (bits_vector)(units - whole > chance));               \
    bits_vector subnormal = (bits_vector)((whole + up) * unit) | sign;                            \
    bits_vector inside = (subnormal & is_small) | (normal & ~is_small);                           \
    return (vector)((inside & is_inside) | (bits & ~is_inside));                                  \
  }

RL_ON_GRID(rl_on_grid_float, float, rl_f32x16, rl_u32x16, rl_i32x16, 32, 23)
RL_ON_GRID(rl_on_grid_double, double, rl_f64x8, rl_u64x8, rl_i32x8, 64, 52)
#undef RL_ON_GRID

RL_INLINE rl_f32x16 RL_NAME(rl_f32_on_bf16)(rl_f32x16 x, uint64_t key, uint64_t index) {
  // The same exponents: subnormal numbers are no special case.
  rl_u32x16 bits = (rl_u32x16)x, random = RL_NAME(rl_random_x16)(key, index);
  rl_u32x16 is_inside = (rl_u32x16)((bits & 0x7fffffffu) <= 0x7f7f0000u);
  return (rl_f32x16)((((bits + (random >> 16)) & 0xffff0000u) & is_inside) | (bits & ~is_inside));
}

RL_INLINE rl_f32x16 RL_NAME(rl_f32_on_f16)(rl_f32x16 x, uint64_t key, uint64_t index) {
  return RL_NAME(rl_on_grid_float)(x, RL_NAME(rl_random_x16)(key, index), 13, 0x1p-14f, 0x1p-24f,
                                   65504.0f);
}

RL_INLINE rl_f64x8 RL_NAME(rl_f64_on_f32)(rl_f64x8 x, uint64_t key, uint64_t index) {
  return RL_NAME(rl_on_grid_double)(x, RL_NAME(rl_random_x8)(key, index), 29, 0x1p-126, 0x1p-149,
                                    0x1.fffffep+127);
}

RL_INLINE rl_f64x8 RL_NAME(rl_f64_on_bf16)(rl_f64x8 x, uint64_t key, uint64_t index) {
  return RL_NAME(rl_on_grid_double)(x, RL_NAME(rl_random_x8)(key, index), 45, 0x1p-126, 0x1p-133,
                                    0x1.fep+127);
}

RL_INLINE rl_f64x8 RL_NAME(rl_f64_on_f16)(rl_f64x8 x, uint64_t key, uint64_t index) {
  return RL_NAME(rl_on_grid_double)(x, RL_NAME(rl_random_x8)(key, index), 42, 0x1p-14, 0x1p-24,
                                    65504.0);
}
