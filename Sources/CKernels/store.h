// Float64 results become stored elements, included by loops.h once for each dispatch level (no
// include guard on purpose). Units of eight; figures are kept by index modulo eight.

// MARK: Narrowing of a unit, with what it widens to again

RL_INLINE rl_f64x8 RL_NAME(rl_narrow_f64)(double *target, rl_f64x8 x) {
  memcpy(target, &x, sizeof x);
  return x;
}

RL_INLINE rl_f64x8 RL_NAME(rl_narrow_f32)(float *target, rl_f64x8 x) {
  return RL_NAME(rl_round_f32)(target, x);
}

#define RL_NARROW(type, to_type, to_f32)                                                          \
  RL_INLINE rl_f64x8 RL_NAME(rl_narrow_##type)(uint16_t *target, rl_f64x8 x) {                    \
    double values[8], widened[8];                                                                 \
    memcpy(values, &x, sizeof x);                                                                 \
    for (size_t l = 0; l < 8; l++) target[l] = to_type(values[l]);                                \
    for (size_t l = 0; l < 8; l++) widened[l] = to_f32(target[l]);                                \
    memcpy(&x, widened, sizeof x);                                                                \
    return x;                                                                                     \
  }

RL_NARROW(bf16, rl_one_f64_to_bf16, rl_one_bf16_to_f32)
RL_NARROW(f16, rl_one_f64_to_f16, rl_one_f16_to_f32)
#undef RL_NARROW

// MARK: Store

#define RL_STORE_LOOP(name, type, storage, place)                                                 \
  RL_INLINE void RL_NAME(name##_unit)(storage *target, rl_f64x8 before, rl_f64x8 value,           \
                                      rl_f64x8 delta, uint64_t key, uint64_t index,               \
                                      rl_figures_store *figures) {                                \
    storage compared[8];                                                                          \
    rl_f64x8 old = RL_NAME(rl_narrow_##type)(compared, before);                                   \
    place(value, key, index)                                                                      \
    rl_f64x8 after = RL_NAME(rl_narrow_##type)(target, value);                                    \
    rl_f64x8 moved = after - before, residual = moved - delta;                                    \
    figures->delta2 += delta * delta;                                                             \
    figures->residual2 += residual * residual;                                                    \
    figures->same -= (rl_u64x8)((after == old) & (delta != 0));                                   \
    figures->overflowed -= (rl_u64x8)((before - before == 0) & ~(after - after == 0));            \
  }                                                                                               \
  static void RL_NAME(name)(storage *target, const double *before, const double *values,          \
                            const double *deltas, size_t count, uint64_t key, uint64_t first,     \
                            rl_fold_statistics *statistics) {                                     \
    rl_figures_store figures = {0};                                                               \
    for (size_t i = 0; i < count; i += 8) {                                                       \
      size_t width = count - i < 8 ? count - i : 8, size = width * sizeof(double);                \
      rl_f64x8 old = {0}, value = {0}, delta = {0};                                               \
      storage stored[8];                                                                          \
      if (width == 8) memcpy(&old, before + i, sizeof old);                                       \
      else memcpy(&old, before + i, size);                                                        \
      if (deltas) {                                                                               \
        if (width == 8) memcpy(&delta, deltas + i, sizeof delta);                                 \
        else memcpy(&delta, deltas + i, size);                                                    \
        value = old + delta;                                                                      \
      } else {                                                                                    \
        if (width == 8) memcpy(&value, values + i, sizeof value);                                 \
        else memcpy(&value, values + i, size);                                                    \
        delta = value - old;                                                                      \
      }                                                                                           \
      RL_NAME(name##_unit)(width == 8 ? target + i : stored, old, value, delta, key, first + i,   \
                           &figures);                                                             \
      if (width < 8) memcpy(target + i, stored, width * sizeof(storage));                         \
    }                                                                                             \
    for (size_t l = 0; l < 8; l++) {                                                              \
      statistics->delta_squared += figures.delta2[l];                                             \
      statistics->residual_squared += figures.residual2[l];                                       \
      statistics->unchanged += figures.same[l];                                                   \
      statistics->overflowed += figures.overflowed[l];                                            \
    }                                                                                             \
  }

#define RL_TO_NEAREST(value, key, index) (void)(key), (void)(index);
#define RL_ON_F32(value, key, index) value = RL_NAME(rl_f64_on_f32)(value, key, index);
#define RL_ON_F16(value, key, index) value = RL_NAME(rl_f64_on_f16)(value, key, index);
#define RL_ON_BF16(value, key, index) value = RL_NAME(rl_f64_on_bf16)(value, key, index);

RL_STORE_LOOP(rl_store_f64, f64, double, RL_TO_NEAREST)
RL_STORE_LOOP(rl_store_f32, f32, float, RL_TO_NEAREST)
RL_STORE_LOOP(rl_store_f32_stochastic, f32, float, RL_ON_F32)
RL_STORE_LOOP(rl_store_f16, f16, uint16_t, RL_TO_NEAREST)
RL_STORE_LOOP(rl_store_f16_stochastic, f16, uint16_t, RL_ON_F16)
RL_STORE_LOOP(rl_store_bf16, bf16, uint16_t, RL_TO_NEAREST)
RL_STORE_LOOP(rl_store_bf16_stochastic, bf16, uint16_t, RL_ON_BF16)

#undef RL_STORE_LOOP
#undef RL_TO_NEAREST
#undef RL_ON_F32
#undef RL_ON_F16
#undef RL_ON_BF16
