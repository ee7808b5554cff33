// The kernels themselves, included once for each dispatch level (no include guard on purpose).

#define RL_JOIN2(name, level) name##_##level
#define RL_JOIN(name, level) RL_JOIN2(name, level)
#define RL_NAME(name) RL_JOIN(name, LEVEL)
#define RL_INLINE static inline __attribute__((always_inline))

#ifndef RL_ROWS
#define RL_ROWS 4
#define RL_F64_PANEL 16
// Rows whose part of one panel stays in the first-level cache.
#define RL_GRAM_BLOCK 128
#endif

#include "stochastic.h"
#include "fold.h"
#include "store.h"

static void RL_NAME(rl_bounds_f64)(const double *before, const double *b, const double *a,
                                   size_t rank, size_t columns, double unit, double *low,
                                   double *high) {
  for (size_t start = 0; start < columns; start += RL_F64_PANEL) {
    double delta[RL_F64_PANEL] = {0}, magnitude[RL_F64_PANEL] = {0};
    size_t width = columns - start < RL_F64_PANEL ? columns - start : RL_F64_PANEL;
    for (size_t j = 0; j < rank; j++) {
      double line[RL_F64_PANEL] = {0};
      if (width == RL_F64_PANEL) memcpy(line, a + j * columns + start, sizeof line);
      else for (size_t c = 0; c < width; c++) line[c] = a[j * columns + start + c];
      for (size_t c = 0; c < RL_F64_PANEL; c++) {
        delta[c] += b[j] * line[c];
        magnitude[c] += fabs(b[j]) * fabs(line[c]);
      }
    }
    for (size_t c = 0; c < width; c++) {
      double x = before[start + c], y = x + delta[c], e = unit * (fabs(x) + magnitude[c]);
      low[start + c] = y - e;
      high[start + c] = y + e;
    }
  }
}

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

// Up to RL_ROWS rows of one panel of a Gram matrix; `lines` are the panel's columns of some rows of
// x, `left` the first of the columns that make the rows.
RL_INLINE void RL_NAME(rl_gram_rows)(const double *left, const double *lines, double *gram,
                                     size_t rows, size_t width, size_t count, size_t n) {
  rl_f64x8 sum[RL_ROWS][2] = {{{0}}};
  for (size_t r = 0; r < rows; r++) memcpy(sum[r], gram + r * n, width * sizeof(double));
  for (size_t k = 0; k < count; k++) {
    rl_f64x8 line[2];
    memcpy(line, lines + k * RL_F64_PANEL, sizeof line);
    for (size_t r = 0; r < rows; r++)
      for (size_t u = 0; u < 2; u++) sum[r][u] += left[k * n + r] * line[u];
  }
  for (size_t r = 0; r < rows; r++) memcpy(gram + r * n, sum[r], width * sizeof(double));
}

static void RL_NAME(rl_gram_f64)(const double *x, size_t m, size_t n, double *gram) {
  double lines[RL_GRAM_BLOCK * RL_F64_PANEL];
  for (size_t i = 0; i < n * n; i++) gram[i] = 0;
  for (size_t first = 0; first < m; first += RL_GRAM_BLOCK) {
    size_t count = m - first < RL_GRAM_BLOCK ? m - first : RL_GRAM_BLOCK;
    const double *block = x + first * n;
    for (size_t column = 0; column < n; column += RL_F64_PANEL) {
      size_t width = n - column < RL_F64_PANEL ? n - column : RL_F64_PANEL;
      for (size_t k = 0; k < count; k++)
        for (size_t c = 0; c < RL_F64_PANEL; c++)
          lines[k * RL_F64_PANEL + c] = c < width ? block[k * n + column + c] : 0;
      // Rows beyond the panel are left to symmetry.
      size_t end = column + width;
      for (size_t row = 0; row < end; row += RL_ROWS) {
        double *part = gram + row * n + column;
        if (end - row >= RL_ROWS)
          RL_NAME(rl_gram_rows)(block + row, lines, part, RL_ROWS, width, count, n);
        else
          RL_NAME(rl_gram_rows)(block + row, lines, part, end - row, width, count, n);
      }
    }
  }
  for (size_t row = 0; row < n; row++)
    for (size_t column = 0; column < row; column++) gram[row * n + column] = gram[column * n + row];
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
#undef RL_INLINE
