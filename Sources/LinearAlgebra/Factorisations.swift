internal import CLAPACK
package import Tensors

/// Dense factorisations of small matrices by LAPACK.
package enum Factorisation {
  /// `X = Q R` with orthonormal columns in Q, for k = min(rows, columns): Q is rows x k, R k x
  /// columns.
  package static func qr(_ matrix: Matrix) throws(LinearAlgebraError) -> (q: Matrix, r: Matrix) {
    let lapack = try BLAS.load().routines
    let (m, n) = (matrix.rows, matrix.columns)
    let k = min(m, n)
    var a = matrix.transposed.values  // column-major
    var tau = [Double](repeating: 0, count: k)
    var (rows, columns, count) = (rl_lapack_int(m), rl_lapack_int(n), rl_lapack_int(k))
    try unsafe callWithWorkspace("dgeqrf") { work, size, info in
      unsafe lapack.dgeqrf(&rows, &columns, &a, &rows, &tau, work, size, info)
    }
    var r = Matrix(rows: k, columns: n)
    for row in 0..<k {
      for column in row..<n { r[row, column] = a[column * m + row] }
    }
    try unsafe callWithWorkspace("dorgqr") { work, size, info in
      unsafe lapack.dorgqr(&rows, &count, &count, &a, &rows, &tau, work, size, info)
    }
    let q = Matrix(rows: k, columns: m, values: Array(a[..<(k * m)])).transposed
    return (q, r)
  }

  /// `X = U diag(σ) Vᵀ` with k = min(rows, columns) singular values, largest first.
  package static func svd(_ matrix: Matrix) throws(LinearAlgebraError) -> (
    u: Matrix, sigma: [Double], vt: Matrix
  ) {
    let lapack = try BLAS.load().routines
    let (m, n) = (matrix.rows, matrix.columns)
    let k = min(m, n)
    var a = matrix.transposed.values
    var sigma = [Double](repeating: 0, count: k)
    var u = [Double](repeating: 0, count: m * k)
    var vt = [Double](repeating: 0, count: k * n)
    var (rows, columns, count) = (rl_lapack_int(m), rl_lapack_int(n), rl_lapack_int(k))
    try unsafe callWithWorkspace("dgesvd") { work, size, info in
      unsafe lapack.dgesvd(
        "S", "S", &rows, &columns, &a, &rows, &sigma, &u, &rows, &vt, &count, work, size, info)
    }
    return (
      Matrix(rows: k, columns: m, values: u).transposed, sigma,
      Matrix(rows: n, columns: k, values: vt).transposed
    )
  }

  /// Asks a routine for its workspace, then runs it.
  private static func callWithWorkspace(
    _ routine: String,
    _ call: (
      UnsafeMutablePointer<Double>, UnsafeMutablePointer<rl_lapack_int>,
      UnsafeMutablePointer<rl_lapack_int>
    ) -> Void
  ) throws(LinearAlgebraError) {
    var info = rl_lapack_int(0)
    var size = rl_lapack_int(-1)
    var query = 0.0
    unsafe call(&query, &size, &info)
    guard info == 0 else { throw .routine(routine, code: Int(info)) }
    size = max(1, rl_lapack_int(query))
    var work = [Double](repeating: 0, count: Int(size))
    unsafe call(&work, &size, &info)
    guard info == 0 else { throw .routine(routine, code: Int(info)) }
  }
}
