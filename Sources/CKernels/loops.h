// The kernels themselves, included once for each dispatch level (no include guard on purpose).
//
// A fold works on blocks of RL_ROWS rows by one panel of columns, whose sums stay in registers
// while the rank is walked in order. Panels of 32 float32 or 16 float64 columns.

#define RL_JOIN2(name, level) name##_##level
#define RL_JOIN(name, level) RL_JOIN2(name, level)
#define RL_NAME(name) RL_JOIN(name, LEVEL)

#ifndef RL_ROWS
#define RL_ROWS 4
#define RL_F64_PANEL 16
// Columns whose part of `a` stays in the first-level cache while all rows pass, at small ranks.
#define RL_COLUMN_BLOCK 512
#endif

// MARK: Fold

#define RL_FOLD_LOOP(name, storage, accumulator, panel, load, store)                          \
  /* One panel of up to RL_ROWS rows: sums, then the one rounding, then the figures. */       \
  static inline __attribute__((always_inline)) void RL_NAME(name##_panel)(                    \
      storage *w, size_t row_count, size_t width, size_t columns, const accumulator *b,       \
      const accumulator *a, size_t rank, size_t stride, double *delta2, double *residual2,    \
      uint64_t *unchanged, uint64_t *overflowed) {                                            \
    accumulator sum[RL_ROWS][panel];                                                          \
    for (size_t r = 0; r < RL_ROWS; r++)                                                      \
      for (size_t c = 0; c < panel; c++) sum[r][c] = 0;                                       \
    if (row_count == RL_ROWS) {                                                               \
      for (size_t j = 0; j < rank; j++) {                                                     \
        const accumulator *line = a + j * stride;                                             \
        for (size_t r = 0; r < RL_ROWS; r++) {                                                \
          accumulator factor = b[r * rank + j];                                               \
          for (size_t c = 0; c < panel; c++) sum[r][c] += factor * line[c];                   \
        }                                                                                     \
      }                                                                                       \
    } else {                                                                                  \
      for (size_t j = 0; j < rank; j++) {                                                     \
        const accumulator *line = a + j * stride;                                             \
        for (size_t r = 0; r < row_count; r++) {                                              \
          accumulator factor = b[r * rank + j];                                               \
          for (size_t c = 0; c < panel; c++) sum[r][c] += factor * line[c];                   \
        }                                                                                     \
      }                                                                                       \
    }                                                                                         \
    for (size_t r = 0; r < row_count; r++) {                                                  \
      storage *row = w + r * columns;                                                         \
      storage old[panel], new[panel];                                                         \
      for (size_t c = 0; c < panel; c++) old[c] = 0;                                          \
      if (width == panel) memcpy(old, row, sizeof old);                                       \
      else memcpy(old, row, width * sizeof(storage));                                         \
      uint32_t same = 0, lost = 0;                                                            \
      for (size_t c = 0; c < panel; c++) {                                                    \
        accumulator before = load(old[c]);                                                    \
        new[c] = store(before + sum[r][c]);                                                   \
        accumulator after = load(new[c]), moved = after - before;                             \
        accumulator residual = moved - sum[r][c];                                             \
        delta2[c] += (double)sum[r][c] * (double)sum[r][c];                                   \
        residual2[c] += (double)residual * (double)residual;                                  \
        same += (uint32_t)((after == before) & (sum[r][c] != 0));                             \
        lost += (uint32_t)((before - before == 0) & !(after - after == 0));                   \
      }                                                                                       \
      if (width == panel) memcpy(row, new, sizeof new);                                       \
      else memcpy(row, new, width * sizeof(storage));                                         \
      *unchanged += same;                                                                     \
      *overflowed += lost;                                                                    \
    }                                                                                         \
  }                                                                                           \
  static void RL_NAME(name)(storage *w, size_t rows, size_t columns, const accumulator *b,    \
                            const accumulator *a, size_t rank, size_t stride,                 \
                            rl_fold_statistics *statistics) {                                 \
    double delta2[panel] = {0}, residual2[panel] = {0};                                       \
    uint64_t unchanged = 0, overflowed = 0;                                                   \
    for (size_t start = 0; start < columns; start += RL_COLUMN_BLOCK) {                       \
      size_t end = columns - start < RL_COLUMN_BLOCK ? columns : start + RL_COLUMN_BLOCK;     \
      for (size_t row = 0; row < rows; row += RL_ROWS) {                                      \
        size_t row_count = rows - row < RL_ROWS ? rows - row : RL_ROWS;                       \
        for (size_t column = start; column < end; column += panel) {                          \
          size_t width = end - column < panel ? end - column : panel;                         \
          RL_NAME(name##_panel)(w + row * columns + column, row_count, width, columns,        \
                                b + row * rank, a + column, rank, stride, delta2, residual2,  \
                                &unchanged, &overflowed);                                     \
        }                                                                                     \
      }                                                                                       \
    }                                                                                         \
    for (size_t c = 0; c < panel; c++) {                                                      \
      statistics->delta_squared += delta2[c];                                                 \
      statistics->residual_squared += residual2[c];                                           \
    }                                                                                         \
    statistics->unchanged += unchanged;                                                       \
    statistics->overflowed += overflowed;                                                     \
  }

#define RL_ITSELF(x) (x)
#define RL_TO_F32(x) ((float)(x))

RL_FOLD_LOOP(rl_fold_bf16, uint16_t, float, 32, rl_one_bf16_to_f32, rl_one_f32_to_bf16)
RL_FOLD_LOOP(rl_fold_f16, uint16_t, float, 32, rl_one_f16_to_f32, rl_one_f32_to_f16)
RL_FOLD_LOOP(rl_fold_f32, float, double, RL_F64_PANEL, RL_ITSELF, RL_TO_F32)
RL_FOLD_LOOP(rl_fold_f64, double, double, RL_F64_PANEL, RL_ITSELF, RL_ITSELF)

#undef RL_FOLD_LOOP
#undef RL_ITSELF
#undef RL_TO_F32

// MARK: Dense products

static void RL_NAME(rl_multiply_f64)(const double *x, const double *y, double *c, size_t m,
                                     size_t k, size_t n, size_t y_stride, size_t c_stride,
                                     int accumulate) {
  for (size_t column = 0; column < n; column += RL_F64_PANEL) {
    size_t width = n - column < RL_F64_PANEL ? n - column : RL_F64_PANEL;
    for (size_t row = 0; row < m; row += RL_ROWS) {
      size_t row_count = m - row < RL_ROWS ? m - row : RL_ROWS;
      double sum[RL_ROWS][RL_F64_PANEL] = {{0}};
      if (accumulate)
        for (size_t r = 0; r < row_count; r++)
          memcpy(sum[r], c + (row + r) * c_stride + column, width * sizeof(double));
      if (width == RL_F64_PANEL && row_count == RL_ROWS) {
        for (size_t j = 0; j < k; j++) {
          const double *line = y + j * y_stride + column;
          for (size_t r = 0; r < RL_ROWS; r++) {
            double factor = x[(row + r) * k + j];
            for (size_t i = 0; i < RL_F64_PANEL; i++) sum[r][i] += factor * line[i];
          }
        }
      } else {
        for (size_t j = 0; j < k; j++) {
          const double *line = y + j * y_stride + column;
          for (size_t r = 0; r < row_count; r++) {
            double factor = x[(row + r) * k + j];
            for (size_t i = 0; i < width; i++) sum[r][i] += factor * line[i];
          }
        }
      }
      for (size_t r = 0; r < row_count; r++)
        memcpy(c + (row + r) * c_stride + column, sum[r], width * sizeof(double));
    }
  }
}

static double RL_NAME(rl_dot_f64)(const double *x, const double *y, size_t count) {
  double lane[16] = {0};
  size_t whole = count - count % 16;
  for (size_t i = 0; i < whole; i += 16)
    for (size_t l = 0; l < 16; l++) lane[l] += x[i + l] * y[i + l];
  for (size_t i = whole; i < count; i++) lane[i - whole] += x[i] * y[i];
  double sum = 0;
  for (size_t l = 0; l < 16; l++) sum += lane[l];
  return sum;
}

#undef RL_NAME
