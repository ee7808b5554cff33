// The few LAPACK routines the package calls, by their Fortran symbols: Debian's OpenBLAS carries
// those and not LAPACKE. Accelerate exports the same names on macOS. All matrices column-major.
#pragma once

typedef int rl_lapack_int;

#ifndef __APPLE__
/// The number of threads OpenBLAS uses, on which its results depend.
extern int openblas_get_num_threads(void);
extern void openblas_set_num_threads(int count);
#endif

/// QR factorisation A = Q R, R in the upper triangle, Q as reflectors below.
extern void dgeqrf_(const rl_lapack_int *m, const rl_lapack_int *n, double *a,
                    const rl_lapack_int *lda, double *tau, double *work,
                    const rl_lapack_int *lwork, rl_lapack_int *info);

/// The first n columns of Q from dgeqrf_'s reflectors.
extern void dorgqr_(const rl_lapack_int *m, const rl_lapack_int *n, const rl_lapack_int *k,
                    double *a, const rl_lapack_int *lda, const double *tau, double *work,
                    const rl_lapack_int *lwork, rl_lapack_int *info);

/// Singular value decomposition A = U diag(s) V^T.
extern void dgesvd_(const char *jobu, const char *jobvt, const rl_lapack_int *m,
                    const rl_lapack_int *n, double *a, const rl_lapack_int *lda, double *s,
                    double *u, const rl_lapack_int *ldu, double *vt, const rl_lapack_int *ldvt,
                    double *work, const rl_lapack_int *lwork, rl_lapack_int *info);

/// C = alpha op(A) op(B) + beta C, of BLAS; benchmarks compare themselves with it.
extern void dgemm_(const char *transa, const char *transb, const rl_lapack_int *m,
                   const rl_lapack_int *n, const rl_lapack_int *k, const double *alpha,
                   const double *a, const rl_lapack_int *lda, const double *b,
                   const rl_lapack_int *ldb, const double *beta, double *c,
                   const rl_lapack_int *ldc);

/// The same in single precision.
extern void sgemm_(const char *transa, const char *transb, const rl_lapack_int *m,
                   const rl_lapack_int *n, const rl_lapack_int *k, const float *alpha,
                   const float *a, const rl_lapack_int *lda, const float *b,
                   const rl_lapack_int *ldb, const float *beta, float *c,
                   const rl_lapack_int *ldc);
