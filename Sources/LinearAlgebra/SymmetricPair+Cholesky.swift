internal import ByteIO
internal import CLAPACK
internal import Tensors

extension SymmetricPair {
  /// Factorises the lower matrix in place, `M = L Lᵀ`, tile by tile: size³/3 multiplications.
  ///
  /// - Parameter checkpoint: called now and then; an error it throws stops the work.
  /// - Throws: `LinearAlgebraError.notPositiveDefinite`, what `checkpoint` throws.
  package func factorise(threads: Int, checkpoint: () throws -> Void = {}) throws {
    let starts = tileStarts
    for (step, pivot) in starts.enumerated() {
      try checkpoint()
      try factoriseTile(pivot)
      let below = starts[(step + 1)...]
      _ = try Parallel.map(below.count, threads: threads) { index in
        solvePanel(below[below.startIndex + index], pivot)
      }
      let tiles = below.flatMap { row in below.prefix { $0 <= row }.map { (row, $0) } }
      _ = try Parallel.map(tiles.count, threads: threads) { [tiles] index in
        update(tiles[index].0, tiles[index].1, pivot)
      }
    }
  }

  private func factoriseTile(_ pivot: Int) throws(LinearAlgebraError) {
    var (n, lda) = (rl_lapack_int(extent(pivot)), rl_lapack_int(stride))
    var info = rl_lapack_int(0)
    unsafe blas.routines.dpotrf("L", &n, element(.lower, pivot, pivot), &lda, &info)
    guard info == 0 else {
      throw info > 0
        ? .notPositiveDefinite(size: size) : .routine("dpotrf", code: Int(info))
    }
  }

  /// The tile below a pivot: `L_ik = M_ik L_kk⁻ᵀ`.
  private func solvePanel(_ row: Int, _ pivot: Int) {
    var (m, n) = (rl_lapack_int(extent(row)), rl_lapack_int(extent(pivot)))
    var (ld, one) = (rl_lapack_int(stride), 1.0)
    unsafe blas.routines.dtrsm(
      "R", "L", "T", "N", &m, &n, &one, element(.lower, pivot, pivot), &ld,
      element(.lower, row, pivot), &ld)
  }

  /// What a pivot leaves of a tile: `M_ij −= L_ik L_jkᵀ`.
  private func update(_ row: Int, _ column: Int, _ pivot: Int) {
    var (m, n, k) = (
      rl_lapack_int(extent(row)), rl_lapack_int(extent(column)), rl_lapack_int(extent(pivot))
    )
    var (ld, minus, one) = (rl_lapack_int(stride), -1.0, 1.0)
    let left = unsafe element(.lower, row, pivot)
    let target = unsafe element(.lower, row, column)
    if row == column {
      unsafe blas.routines.dsyrk("L", "N", &m, &k, &minus, left, &ld, &one, target, &ld)
    } else {
      unsafe blas.routines.dgemm(
        "N", "T", &m, &n, &k, &minus, left, &ld, element(.lower, column, pivot), &ld, &one, target,
        &ld)
    }
  }

  /// Solves `M Yᵀ = Rᵀ` in place for rows R, M factorised before.
  ///
  /// - Parameter rows: `count` rows of `size` elements each, without gaps.
  package func solve(
    _ rows: UnsafeMutablePointer<Double>, count: Int, threads: Int
  ) throws {
    let target = unsafe SharedTarget(rows)
    let strips = (0..<count).pieces(of: SymmetricPair.stripRows)
    _ = try Parallel.map(strips.count, threads: threads) { index in
      var (m, n) = (rl_lapack_int(size), rl_lapack_int(strips[index].count))
      var (lda, ldb, one) = (rl_lapack_int(stride), rl_lapack_int(size), 1.0)
      let factor = unsafe element(.lower, 0, 0)
      for transpose in ["N", "T"] {
        unsafe blas.routines.dtrsm(
          "L", "L", transpose, "N", &m, &n, &one, factor, &lda,
          target.start + strips[index].lowerBound * size, &ldb)
      }
    }
  }
}
