// The few routines of LAPACK and BLAS that the package calls. The library is loaded when it is first
// needed: OpenBLAS starts threads as soon as it is there, which costs every program that links it.
// All matrices column-major, arguments as the Fortran routines have them.
#pragma once

#include <stdbool.h>

typedef int rl_lapack_int;

/// The routines; every one is there once `clapack_load` has succeeded.
typedef struct {
  /// QR factorisation A = Q R, R in the upper triangle, Q as reflectors below.
  void (*dgeqrf)(const rl_lapack_int *m, const rl_lapack_int *n, double *a,
                 const rl_lapack_int *lda, double *tau, double *work, const rl_lapack_int *lwork,
                 rl_lapack_int *info);
  /// The first n columns of Q from dgeqrf's reflectors.
  void (*dorgqr)(const rl_lapack_int *m, const rl_lapack_int *n, const rl_lapack_int *k, double *a,
                 const rl_lapack_int *lda, const double *tau, double *work,
                 const rl_lapack_int *lwork, rl_lapack_int *info);
  /// Singular value decomposition A = U diag(s) V^T.
  void (*dgesvd)(const char *jobu, const char *jobvt, const rl_lapack_int *m,
                 const rl_lapack_int *n, double *a, const rl_lapack_int *lda, double *s, double *u,
                 const rl_lapack_int *ldu, double *vt, const rl_lapack_int *ldvt, double *work,
                 const rl_lapack_int *lwork, rl_lapack_int *info);
  /// C = alpha op(A) op(B) + beta C.
  void (*dgemm)(const char *transa, const char *transb, const rl_lapack_int *m,
                const rl_lapack_int *n, const rl_lapack_int *k, const double *alpha,
                const double *a, const rl_lapack_int *lda, const double *b,
                const rl_lapack_int *ldb, const double *beta, double *c, const rl_lapack_int *ldc);
  /// The same in single precision.
  void (*sgemm)(const char *transa, const char *transb, const rl_lapack_int *m,
                const rl_lapack_int *n, const rl_lapack_int *k, const float *alpha, const float *a,
                const rl_lapack_int *lda, const float *b, const rl_lapack_int *ldb,
                const float *beta, float *c, const rl_lapack_int *ldc);
  /// C = alpha A A^T + beta C (trans N) or alpha A^T A + beta C (T), one triangle of C.
  void (*dsyrk)(const char *uplo, const char *trans, const rl_lapack_int *n,
                const rl_lapack_int *k, const double *alpha, const double *a,
                const rl_lapack_int *lda, const double *beta, double *c, const rl_lapack_int *ldc);
  /// C = alpha A B + beta C (side L), A symmetric, one triangle of it given.
  void (*dsymm)(const char *side, const char *uplo, const rl_lapack_int *m, const rl_lapack_int *n,
                const double *alpha, const double *a, const rl_lapack_int *lda, const double *b,
                const rl_lapack_int *ldb, const double *beta, double *c, const rl_lapack_int *ldc);
  /// y = alpha A x + beta y, A symmetric, one triangle of it given.
  void (*dsymv)(const char *uplo, const rl_lapack_int *n, const double *alpha, const double *a,
                const rl_lapack_int *lda, const double *x, const rl_lapack_int *incx,
                const double *beta, double *y, const rl_lapack_int *incy);
  /// B = alpha op(A)^-1 B (side L) or alpha B op(A)^-1 (side R), A triangular.
  void (*dtrsm)(const char *side, const char *uplo, const char *transa, const char *diag,
                const rl_lapack_int *m, const rl_lapack_int *n, const double *alpha,
                const double *a, const rl_lapack_int *lda, double *b, const rl_lapack_int *ldb);
  /// Cholesky factorisation A = L L^T in place; info > 0 where A is not positive definite.
  void (*dpotrf)(const char *uplo, const rl_lapack_int *n, double *a, const rl_lapack_int *lda,
                 rl_lapack_int *info);
  /// The number of threads the library uses, on which its results depend; null where it has no say.
  int (*get_threads)(void);
  void (*set_threads)(int count);
} CLAPACKLibrary;

/// Loads the library; false where there is none that has all routines.
bool clapack_load(CLAPACKLibrary *library);
