// The fold kernels, included by loops.h once for each dispatch level (no include guard on purpose).
//
// RL_ROWS rows by RL_UNITS units of columns are worked on at once: their sums stay in registers
// while the rank is walked in order. A unit is a vector of 16 float32 or 8 float64; its figures are
// kept by column modulo RL_PANEL, so they add up in the same order at every level.

// MARK: Units of stored elements

// `load` widens a unit; `round` stores one whose elements all lie below the type's limit, the
// magnitude from where on they would become infinities, and returns what was stored.

RL_INLINE rl_f32x16 RL_NAME(rl_load_bf16)(const uint16_t *row) {
  rl_u16x16 h;
  memcpy(&h, row, sizeof h);
  return (rl_f32x16)(__builtin_convertvector(h, rl_u32x16) << 16);
}

RL_INLINE rl_f32x16 RL_NAME(rl_round_bf16)(uint16_t *row, rl_f32x16 x) {
  rl_u32x16 u = (rl_u32x16)x;
  rl_u32x16 rounded = u + 0x7fffu + ((u >> 16) & 1u);
  rl_u16x16 h = __builtin_convertvector(rounded >> 16, rl_u16x16);
  memcpy(row, &h, sizeof h);
  return (rl_f32x16)(rounded & 0xffff0000u);
}

#ifdef RL_HAS_F16C
RL_INLINE rl_f32x16 RL_NAME(rl_load_f16)(const uint16_t *row) {
  rl_f16x16 h;
  memcpy(&h, row, sizeof h);
  return __builtin_convertvector(h, rl_f32x16);
}

RL_INLINE rl_f32x16 RL_NAME(rl_round_f16)(uint16_t *row, rl_f32x16 x) {
  rl_f16x16 h = __builtin_convertvector(x, rl_f16x16);
  memcpy(row, &h, sizeof h);
  return __builtin_convertvector(h, rl_f32x16);
}
#else
RL_INLINE rl_f32x16 RL_NAME(rl_load_f16)(const uint16_t *row) {
  float x[16];
  for (size_t l = 0; l < 16; l++) x[l] = rl_one_f16_to_f32(row[l]);
  rl_f32x16 unit;
  memcpy(&unit, x, sizeof unit);
  return unit;
}

RL_INLINE rl_f32x16 RL_NAME(rl_round_f16)(uint16_t *row, rl_f32x16 x) {
  float y[16];
  memcpy(y, &x, sizeof y);
  for (size_t l = 0; l < 16; l++) row[l] = rl_one_f32_to_f16(y[l]);
  return RL_NAME(rl_load_f16)(row);
}
#endif

RL_INLINE rl_f64x8 RL_NAME(rl_load_f32)(const float *row) {
  rl_f32x8 x;
  memcpy(&x, row, sizeof x);
  return __builtin_convertvector(x, rl_f64x8);
}

RL_INLINE rl_f64x8 RL_NAME(rl_round_f32)(float *row, rl_f64x8 x) {
  rl_f32x8 stored = __builtin_convertvector(x, rl_f32x8);
  memcpy(row, &stored, sizeof stored);
  return __builtin_convertvector(stored, rl_f64x8);
}

RL_INLINE rl_f64x8 RL_NAME(rl_load_f64)(const double *row) {
  rl_f64x8 x;
  memcpy(&x, row, sizeof x);
  return x;
}

RL_INLINE rl_f64x8 RL_NAME(rl_round_f64)(double *row, rl_f64x8 x) {
  memcpy(row, &x, sizeof x);
  return x;
}

// MARK: Sums of squares

// Squares of float32 are exact in float64, so fusing their sums changes no bit.
RL_INLINE rl_f64x16 RL_NAME(rl_add_squares_float)(rl_f64x16 sums, rl_f32x16 x) {
  rl_f64x16 wide = __builtin_convertvector(x, rl_f64x16);
#ifdef RL_HAS_FMA
  return __builtin_elementwise_fma(wide, wide, sums);
#else
  return sums + wide * wide;
#endif
}

RL_INLINE rl_f64x8 RL_NAME(rl_add_squares_double)(rl_f64x8 sums, rl_f64x8 x) {
  return sums + x * x;
}

// MARK: Fold

RL_INLINE int RL_NAME(rl_any_float)(rl_i32x16 mask) { return __builtin_reduce_or(mask) != 0; }
RL_INLINE int RL_NAME(rl_any_double)(rl_i64x8 mask) { return __builtin_reduce_or(mask) != 0; }

#define RL_FOLD_LOOP(name, type, storage, accumulator, limit, load_one, store_one, place)         \
  /* A unit with elements from the limit on, or that are no numbers. */                           \
  static __attribute__((noinline, cold)) void RL_NAME(name##_scalar)(                             \
      storage *row, const accumulator *sum, const accumulator *value,                             \
      RL_FIGURES(accumulator) *figures, uint64_t *overflowed) {                                   \
    for (size_t l = 0; l < RL_LANES(accumulator); l++) {                                          \
      accumulator before = load_one(row[l]);                                                      \
      row[l] = store_one(value[l]);                                                               \
      accumulator after = load_one(row[l]), moved = after - before, residual = moved - sum[l];    \
      figures->delta2[l] += (double)sum[l] * (double)sum[l];                                      \
      figures->residual2[l] += (double)residual * (double)residual;                               \
      figures->same[l] += (after == before) & (sum[l] != 0);                                      \
      *overflowed += (before - before == 0) & !(after - after == 0);                              \
    }                                                                                             \
  }                                                                                               \
  /* The sums of one unit become elements: one rounding each, then the figures. */                \
  RL_INLINE void RL_NAME(name##_unit)(storage *row, RL_VECTOR(accumulator) sum, uint64_t key,     \
                                      uint64_t index, RL_FIGURES(accumulator) *figures,           \
                                      uint64_t *overflowed) {                                     \
    RL_VECTOR(accumulator) before = RL_NAME(rl_load_##type)(row), value = before + sum;           \
    place(value, key, index)                                                                      \
    RL_BITS(accumulator) magnitude = (RL_BITS(accumulator))value << 1;                            \
    if (__builtin_expect(RL_NAME(rl_any_##accumulator)(magnitude >= (limit) << 1), 0)) {          \
      accumulator sums[RL_LANES(accumulator)], values[RL_LANES(accumulator)];                     \
      memcpy(sums, &sum, sizeof sums);                                                            \
      memcpy(values, &value, sizeof values);                                                      \
      /* A copy, so that the figures themselves can stay in registers. */                         \
      RL_FIGURES(accumulator) copy = *figures;                                                    \
      RL_NAME(name##_scalar)(row, sums, values, &copy, overflowed);                               \
      *figures = copy;                                                                            \
      return;                                                                                     \
    }                                                                                             \
    RL_VECTOR(accumulator) after = RL_NAME(rl_round_##type)(row, value), moved = after - before;  \
    figures->delta2 = RL_NAME(rl_add_squares_##accumulator)(figures->delta2, sum);                \
    figures->residual2 = RL_NAME(rl_add_squares_##accumulator)(figures->residual2, moved - sum);  \
    figures->same -= (RL_BITS(accumulator))((after == before) & (sum != 0));                      \
  }                                                                                               \
  /* Up to RL_UNITS units of some rows; `a` begins in its panel, `figures` are those of the units. */\
  RL_INLINE void RL_NAME(name##_rows)(storage *w, size_t rows, size_t units, size_t width,        \
                                      size_t columns, const accumulator *b,                       \
                                      const accumulator *a, size_t rank, uint64_t key,            \
                                      uint64_t index, RL_FIGURES(accumulator) *figures,           \
                                      uint64_t *overflowed) {                                     \
    enum { lanes = RL_LANES(accumulator) };                                                       \
    RL_VECTOR(accumulator) sum[RL_ROWS][RL_UNITS];                                                \
    for (size_t r = 0; r < rows; r++)                                                             \
      for (size_t u = 0; u < units; u++) sum[r][u] = (RL_VECTOR(accumulator)){0};                 \
    for (size_t j = 0; j < rank; j++) {                                                           \
      RL_VECTOR(accumulator) line[RL_UNITS];                                                      \
      for (size_t u = 0; u < units; u++)                                                          \
        memcpy(&line[u], a + j * RL_PANEL + u * lanes, sizeof line[u]);                           \
      for (size_t r = 0; r < rows; r++) {                                                         \
        accumulator factor = b[r * rank + j];                                                     \
        for (size_t u = 0; u < units; u++) sum[r][u] += factor * line[u];                         \
      }                                                                                           \
    }                                                                                             \
    for (size_t u = 0; u < units; u++) {                                                          \
      RL_FIGURES(accumulator) own = figures[u];                                                   \
      for (size_t r = 0; r < rows; r++) {                                                         \
        storage *row = w + r * columns + u * lanes;                                               \
        uint64_t at = index + r * columns + u * lanes;                                            \
        if (width >= (u + 1) * lanes) {                                                           \
          RL_NAME(name##_unit)(row, sum[r][u], key, at, &own, overflowed);                        \
        } else if (width > u * lanes) {                                                           \
          storage part[lanes] = {0};                                                              \
          memcpy(part, row, (width - u * lanes) * sizeof(storage));                               \
          RL_NAME(name##_unit)(part, sum[r][u], key, at, &own, overflowed);                       \
          memcpy(row, part, (width - u * lanes) * sizeof(storage));                               \
        }                                                                                         \
      }                                                                                           \
      figures[u] = own;                                                                           \
    }                                                                                             \
  }                                                                                               \
  static void RL_NAME(name)(storage *w, size_t rows, size_t columns, const accumulator *b,        \
                            const accumulator *a, size_t rank, uint64_t key, uint64_t index,      \
                            rl_fold_statistics *statistics) {                                     \
    enum { lanes = RL_LANES(accumulator), step = lanes * RL_UNITS };                              \
    RL_FIGURES(accumulator) figures[RL_PANEL / lanes] = {0};                                      \
    uint64_t overflowed = 0;                                                                      \
    size_t block = rl_column_block(rank, sizeof(accumulator));                                    \
    for (size_t start = 0; start < columns; start += block) {                                     \
      size_t end = columns - start < block ? columns : start + block;                             \
      for (size_t row = 0; row < rows;) {                                                         \
        size_t count = rows - row < RL_ROWS ? 1 : RL_ROWS;                                        \
        for (size_t column = start; column < end; column += step) {                               \
          size_t width = end - column < step ? end - column : step, lane = column % RL_PANEL;     \
          const accumulator *panel = a + (column - lane) * rank + lane;                           \
          size_t offset = row * columns + column;                                                 \
          storage *first = w + offset;                                                            \
          const accumulator *factors = b + row * rank;                                            \
          if (width == step && count == RL_ROWS)                                                  \
            RL_NAME(name##_rows)(first, RL_ROWS, RL_UNITS, step, columns, factors, panel, rank,   \
                                 key, index + offset, figures + lane / lanes, &overflowed);       \
          else                                                                                    \
            for (size_t r = 0; r < count; r++)                                                    \
              RL_NAME(name##_rows)(first + r * columns, 1, RL_UNITS, width, columns,              \
                                   factors + r * rank, panel, rank, key,                          \
                                   index + offset + r * columns, figures + lane / lanes,          \
                                   &overflowed);                                                  \
        }                                                                                         \
        row += count;                                                                             \
      }                                                                                           \
    }                                                                                             \
    for (size_t c = 0; c < RL_PANEL; c++) {                                                       \
      statistics->delta_squared += figures[c / lanes].delta2[c % lanes];                          \
      statistics->residual_squared += figures[c / lanes].residual2[c % lanes];                    \
      statistics->unchanged += figures[c / lanes].same[c % lanes];                                \
    }                                                                                             \
    statistics->overflowed += overflowed;                                                         \
  }

#define RL_ITSELF(x) (x)
#define RL_TO_F32(x) ((float)(x))

// Rounding to nearest takes values as they are, stochastic rounding moves them to the type's grid.
#define RL_TO_NEAREST(value, key, index) (void)(key), (void)(index);
#define RL_ON_BF16(value, key, index) value = RL_NAME(rl_f32_on_bf16)(value, key, index);
#define RL_ON_F16(value, key, index) value = RL_NAME(rl_f32_on_f16)(value, key, index);
#define RL_ON_F32(value, key, index) value = RL_NAME(rl_f64_on_f32)(value, key, index);

#define RL_FOLD_BF16(name, place)                                                                 \
  RL_FOLD_LOOP(name, bf16, uint16_t, float, 0x7f7f8000u, rl_one_bf16_to_f32, rl_one_f32_to_bf16,  \
               place)
#define RL_FOLD_F16(name, place)                                                                  \
  RL_FOLD_LOOP(name, f16, uint16_t, float, 0x477ff000u, rl_one_f16_to_f32, rl_one_f32_to_f16, place)
#define RL_FOLD_F32(name, place)                                                                  \
  RL_FOLD_LOOP(name, f32, float, double, 0x47effffff0000000u, RL_ITSELF, RL_TO_F32, place)

RL_FOLD_BF16(rl_fold_bf16, RL_TO_NEAREST)
RL_FOLD_BF16(rl_fold_bf16_stochastic, RL_ON_BF16)
RL_FOLD_F16(rl_fold_f16, RL_TO_NEAREST)
RL_FOLD_F16(rl_fold_f16_stochastic, RL_ON_F16)
RL_FOLD_F32(rl_fold_f32, RL_TO_NEAREST)
RL_FOLD_F32(rl_fold_f32_stochastic, RL_ON_F32)
RL_FOLD_LOOP(rl_fold_f64, f64, double, double, 0x7ff0000000000000u, RL_ITSELF, RL_ITSELF,
             RL_TO_NEAREST)

#undef RL_FOLD_LOOP
#undef RL_FOLD_BF16
#undef RL_FOLD_F16
#undef RL_FOLD_F32
#undef RL_ON_BF16
#undef RL_ON_F16
#undef RL_ON_F32
#undef RL_TO_NEAREST
#undef RL_ITSELF
#undef RL_TO_F32
