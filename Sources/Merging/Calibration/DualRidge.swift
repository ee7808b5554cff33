internal import ByteIO
internal import LinearAlgebra
internal import Tensors

/// Ridge regressions by the Cholesky factorisation of `K + λ 1`, `K = X Xᵀ`, for few tokens:
/// `R = R_0 + (T − X R_0ᵀ)ᵀ (K + λ 1)⁻¹ X`.
///
/// Memory: 8 · tokens · (features + 2 · tokens) bytes and the tiles. All sums are float64.
struct DualRidge: RidgeSystem {
  let sums: FoldSums

  private let targets: CalibrationTargets
  private let threads: Int
  /// [tokens, features]
  private let x: Matrix
  /// [rowCount, tokens]
  private let t: Matrix
  private let kernel: SymmetricPair

  init(_ targets: CalibrationTargets, folds: [Range<Int>], threads: Int) throws {
    self.targets = targets
    self.threads = threads
    var values: [Double] = []
    values.reserveCapacity(targets.tokens * targets.features)
    var parts: [Matrix] = []
    var sums = FoldSums(targets, folds: folds)
    for fold in folds {
      var own = targets.noSums
      try targets.forEachTile(of: fold) { tile in
        unsafe values += UnsafeBufferPointer(
          start: tile.x.start, count: tile.t.rows * targets.features)
        parts.append(tile.t)
        own.add(try tile.sums())
      }
      sums.append(own)
    }
    let x = Matrix(rows: targets.tokens, columns: targets.features, values: values)
    let kernel = try SymmetricPair(size: targets.tokens)
    try unsafe x.values.withUnsafeBufferPointer { rows in
      guard let start = rows.baseAddress else { return }
      try unsafe kernel.addInnerProducts(
        of: MatrixView(start, stride: x.columns), count: x.columns, threads: threads)
    }
    self.x = x
    self.kernel = kernel
    self.sums = sums
    t = Matrix.stackedRows(parts).transposed
  }

  func crossValidated(
    penalties: [Double], paper: Matrix?, step: () throws -> Void
  ) throws -> [[[Double]]] {
    var errors = RidgeSystems.noErrors(targets, penalties, paper)
    for (number, fold) in sums.folds.enumerated() {
      let rest = sums.outside(number)
      let others = Array(0..<fold.lowerBound) + Array(fold.upperBound..<t.columns)
      // What the priors leave of t, of all below each other, [priors · rowCount, tokens].
      let left = try remainder(targets.stackedPriors(paper, rest))
      let known = left.columns(others)
      let work = try SymmetricPair(size: others.count)
      // Of a token of the fold with each of the others.
      let between = Matrix(
        rows: fold.count, columns: others.count,
        values: fold.flatMap { token in others.map { kernel[token, $0] } })
      for (index, penalty) in penalties.enumerated() {
        try step()
        var predicted = Matrix(rows: left.rows, columns: fold.count)
        let shift = penalty * rest.meanEigenvalue
        if penalty.isFinite, shift > 0 {
          work.setLower(from: kernel, without: fold, shift: shift)
          try work.factorise(threads: threads, checkpoint: targets.checkpoint)
          var dual = known
          try unsafe work.solve(&dual.values, count: dual.rows, threads: threads)
          predicted = try dual.timesTransposed(between)
        }
        for row in 0..<left.rows {
          for (column, token) in fold.enumerated() {
            let error = left[row, token] - predicted[row, column]
            errors[row / t.rows][index][row % t.rows] += error * error
          }
        }
      }
    }
    return errors
  }

  /// `T − X R_0ᵀ` for priors below each other, [priors · rowCount, tokens].
  private func remainder(_ prior: Matrix) throws -> Matrix {
    var left = try prior.timesTransposed(x)
    for i in left.values.indices {
      left.values[i] = t.values[i % t.values.count] - left.values[i]
    }
    return left
  }

  func correction(penalty: Double, prior: Matrix) throws -> Matrix {
    let work = try SymmetricPair(size: t.columns)
    let shift = penalty * sums.total.meanEigenvalue
    try work.setLower(from: kernel, subtracting: false, shift: shift, threads: threads)
    try work.factorise(threads: threads, checkpoint: targets.checkpoint)
    var dual = try remainder(prior)
    try unsafe work.solve(&dual.values, count: dual.rows, threads: threads)
    return try dual.multiplied(by: x)
  }

  func largestEigenvalue() -> Double { kernel.largestEigenvalue(.lower) }
}

extension Matrix {
  /// Some of the columns.
  fileprivate func columns(_ chosen: [Int]) -> Matrix {
    Matrix(
      rows: rows, columns: chosen.count,
      values: (0..<rows).flatMap { row in chosen.map { self[row, $0] } })
  }
}
