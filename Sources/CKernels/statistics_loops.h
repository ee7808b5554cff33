// The kernels of WeightStatistics.h, included once for each dispatch level (no include guard on
// purpose).
//
// bᵀ w is formed for RL_STATISTICS_COLUMNS columns of all rows in `scratch`, then multiplied by
// those columns of every a_k. All orders of summation depend on rows and columns only: rows from
// first to last for each element of bᵀ w and each column's squares.

#define RL_JOIN2(name, level) name##_##level
#define RL_JOIN(name, level) RL_JOIN2(name, level)
#define RL_NAME(name) RL_JOIN(name, LEVEL)
#define RL_INLINE static inline __attribute__((always_inline))

// `ranks` lines of bᵀ w, a few rows further.
RL_INLINE void RL_NAME(rl_project)(const double *w, size_t rows, size_t vectors, const double *b,
                                   size_t rank, size_t ranks, double *product, int exact) {
  for (size_t v = 0; v < vectors; v += RL_VECTORS) {
    rl_f64x8 sum[RL_RANKS][RL_VECTORS];
    for (size_t j = 0; j < ranks; j++)
      for (size_t i = 0; i < RL_VECTORS; i++)
        sum[j][i] = *(rl_f64x8 *)(product + j * RL_STATISTICS_COLUMNS + (v + i) * 8);
    for (size_t r = 0; r < rows; r++) {
      const double *line = w + r * RL_STATISTICS_COLUMNS + v * 8;
      for (size_t j = 0; j < ranks; j++) {
        double factor = b[r * rank + j];
        rl_f64x8 factors = {factor, factor, factor, factor, factor, factor, factor, factor};
        for (size_t i = 0; i < RL_VECTORS; i++) {
          rl_f64x8 x = *(const rl_f64x8 *)(line + i * 8);
          sum[j][i] = exact ? RL_EXACT(sum[j][i], factors, x) : RL_PLAIN(sum[j][i], factors, x);
        }
      }
    }
    for (size_t j = 0; j < ranks; j++)
      for (size_t i = 0; i < RL_VECTORS; i++)
        *(rl_f64x8 *)(product + j * RL_STATISTICS_COLUMNS + (v + i) * 8) = sum[j][i];
  }
}

RL_INLINE void RL_NAME(rl_project_all)(const double *w, size_t rows, size_t vectors,
                                       const double *b, size_t rank, double *product, int exact) {
  size_t j = 0;
  for (; j + RL_RANKS <= rank; j += RL_RANKS)
    RL_NAME(rl_project)(w, rows, vectors, b + j, rank, RL_RANKS,
                        product + j * RL_STATISTICS_COLUMNS, exact);
  if (RL_RANKS > 4 && j + 4 <= rank) {
    RL_NAME(rl_project)(w, rows, vectors, b + j, rank, RL_RANKS > 4 ? 4 : 1,
                        product + j * RL_STATISTICS_COLUMNS, exact);
    j += 4;
  }
  for (; j < rank; j++)
    RL_NAME(rl_project)(w, rows, vectors, b + j, rank, 1, product + j * RL_STATISTICS_COLUMNS,
                        exact);
}

// Each column's sum of squares, a few rows further.
RL_INLINE void RL_NAME(rl_square)(const double *w, size_t rows, rl_f64x8 *squares, int exact) {
  for (size_t v = 0; v < RL_STATISTICS_COLUMNS / 8; v += 4) {
    rl_f64x8 sum[4];
    for (size_t i = 0; i < 4; i++) sum[i] = squares[v + i];
    for (size_t r = 0; r < rows; r++)
      for (size_t i = 0; i < 4; i++) {
        rl_f64x8 x = *(const rl_f64x8 *)(w + r * RL_STATISTICS_COLUMNS + (v + i) * 8);
        sum[i] = exact ? RL_EXACT(sum[i], x, x) : RL_PLAIN(sum[i], x, x);
      }
    for (size_t i = 0; i < 4; i++) squares[v + i] = sum[i];
  }
}

// The sum of eight lanes of `vectors` vectors: vectors first, then lanes.
RL_INLINE double RL_NAME(rl_total)(const rl_f64x8 *vectors) {
  rl_f64x8 lanes = vectors[0];
  for (size_t v = 1; v < RL_STATISTICS_COLUMNS / 8; v++) lanes += vectors[v];
  double sum = 0;
  for (size_t l = 0; l < 8; l++) sum += lanes[l];
  return sum;
}

// The inner product of the columns of bᵀ w with those of one a_k.
RL_INLINE double RL_NAME(rl_inner)(const double *product, const double *a, size_t rank,
                                   size_t stride, size_t vectors) {
  rl_f64x8 sums[RL_STATISTICS_COLUMNS / 8] = {{0}};
  for (size_t j = 0; j < rank; j++)
    for (size_t v = 0; v < vectors; v++)
      sums[v] += *(const rl_f64x8 *)(product + j * RL_STATISTICS_COLUMNS + v * 8)
        * *(const rl_f64x8 *)(a + j * stride + v * 8);
  return RL_NAME(rl_total)(sums);
}

#define RL_STATISTICS_LOOP(name, storage, load, fits)                                         \
  static void RL_NAME(name)(const storage *w, size_t rows, size_t columns, const double *b,   \
                            const double *a, size_t count, size_t rank, size_t stride,        \
                            int exact, double *product, double *cross, double *squared) {     \
    _Alignas(64) double wide[RL_STATISTICS_ROWS * RL_STATISTICS_COLUMNS];                     \
    for (size_t column = 0; column < columns; column += RL_STATISTICS_COLUMNS) {              \
      size_t width = columns - column;                                                        \
      if (width > RL_STATISTICS_COLUMNS) width = RL_STATISTICS_COLUMNS;                       \
      size_t vectors = (width + 15) / 16 * 2;                                                 \
      rl_f64x8 squares[RL_STATISTICS_COLUMNS / 8] = {{0}};                                    \
      memset(product, 0, rank * RL_STATISTICS_COLUMNS * sizeof(double));                      \
      for (size_t row = 0; row < rows; row += RL_STATISTICS_ROWS) {                           \
        size_t row_count = rows - row < RL_STATISTICS_ROWS ? rows - row : RL_STATISTICS_ROWS; \
        if (width == RL_STATISTICS_COLUMNS) {                                                 \
          for (size_t r = 0; r < row_count; r++) {                                            \
            const storage *source = w + (row + r) * columns + column;                         \
            double *target = wide + r * RL_STATISTICS_COLUMNS;                                \
            for (size_t c = 0; c < RL_STATISTICS_COLUMNS; c++) target[c] = load(source[c]);   \
          }                                                                                   \
        } else {                                                                              \
          for (size_t r = 0; r < row_count; r++)                                              \
            for (size_t c = 0; c < RL_STATISTICS_COLUMNS; c++)                                \
              wide[r * RL_STATISTICS_COLUMNS + c] =                                           \
                c < width ? load(w[(row + r) * columns + column + c]) : 0;                    \
        }                                                                                     \
        RL_NAME(rl_square)(wide, row_count, squares, fits);                                   \
        if (exact)                                                                            \
          RL_NAME(rl_project_all)(wide, row_count, vectors, b + row * rank, rank, product, 1);\
        else                                                                                  \
          RL_NAME(rl_project_all)(wide, row_count, vectors, b + row * rank, rank, product, 0);\
      }                                                                                       \
      *squared += RL_NAME(rl_total)(squares);                                                 \
      for (size_t k = 0; k < count; k++)                                                      \
        cross[k] += RL_NAME(rl_inner)(product, a + k * rank * stride + column, rank, stride,  \
                                      vectors);                                               \
    }                                                                                         \
  }

#define RL_ITSELF(x) (x)

RL_STATISTICS_LOOP(rl_weight_statistics_bf16, uint16_t, rl_one_bf16_to_f32, 1)
RL_STATISTICS_LOOP(rl_weight_statistics_f16, uint16_t, rl_one_f16_to_f32, 1)
RL_STATISTICS_LOOP(rl_weight_statistics_f32, float, RL_ITSELF, 1)
RL_STATISTICS_LOOP(rl_weight_statistics_f64, double, RL_ITSELF, 0)

#undef RL_STATISTICS_LOOP
#undef RL_ITSELF
#undef RL_INLINE
#undef RL_NAME
