internal import ByteIO
internal import LinearAlgebra
internal import Tensors

/// Ridge regressions by the Cholesky factorisation of `K + λ 1`, `K = X Xᵀ`, for few tokens:
/// `R = Yᵀ (K + λ 1)⁻¹ X`.
///
/// Memory: 8 · tokens · (features + 2 · tokens) bytes and a tile of 32 MiB.
struct DualRidge: RidgeSystem {
  let meanEigenvalue: Double
  let squares: [Double]
  let references: [Double]

  private let targets: CalibrationTargets
  private let threads: Int
  private let x: Matrix
  /// Yᵀ, [rowCount, tokens]
  private let y: Matrix
  private let kernel: SymmetricPair

  init(_ targets: CalibrationTargets, threads: Int) throws {
    self.targets = targets
    self.threads = threads
    var values: [Double] = []
    values.reserveCapacity(targets.tokens * targets.features)
    var parts: [Matrix] = []
    var references = [Double](repeating: 0, count: targets.blocks.count)
    try targets.forEachTile(of: 0..<targets.tokens) { tile in
      values += UnsafeBufferPointer(
        start: tile.x.start, count: tile.y.rows * targets.features)
      parts.append(tile.y)
      for (block, value) in tile.references.enumerated() { references[block] += value }
    }
    let x = Matrix(rows: targets.tokens, columns: targets.features, values: values)
    let kernel = try SymmetricPair(size: targets.tokens)
    try x.values.withUnsafeBufferPointer { rows in
      guard let start = rows.baseAddress else { return }
      try kernel.addInnerProducts(
        of: MatrixView(start, stride: x.columns), count: x.columns, threads: threads)
    }
    self.x = x
    self.kernel = kernel
    self.references = references
    let y = Matrix.stackedRows(parts).transposed
    self.y = y
    squares = (0..<y.rows).map { row in
      y.values[(row * y.columns)..<((row + 1) * y.columns)].reduce(0) { $0 + $1 * $1 }
    }
    meanEigenvalue = kernel.trace(.lower) / Double(targets.features)
  }

  func crossValidated(_ folds: [Range<Int>], lambdas: [Double]) throws -> [[Double]] {
    var errors = lambdas.map { _ in [Double](repeating: 0, count: y.rows) }
    for fold in folds {
      let rest = Array(0..<fold.lowerBound) + Array(fold.upperBound..<y.columns)
      let work = try SymmetricPair(size: rest.count)
      // Of a token of the fold with each of the others.
      let between = Matrix(
        rows: fold.count, columns: rest.count,
        values: fold.flatMap { token in rest.map { kernel[token, $0] } })
      let known = (0..<y.rows).flatMap { row in rest.map { y[row, $0] } }
      for (index, lambda) in lambdas.enumerated() {
        work.setLower(from: kernel, without: fold, shift: lambda)
        try work.factorise(threads: threads)
        var dual = Matrix(rows: y.rows, columns: rest.count, values: known)
        work.solve(&dual.values, count: y.rows)
        let predicted = try dual.timesTransposed(between)
        for row in 0..<y.rows {
          for (column, token) in fold.enumerated() {
            let error = y[row, token] - predicted[row, column]
            errors[index][row] += error * error
          }
        }
      }
    }
    return errors
  }

  func fit(lambda: Double) throws -> (rows: Matrix, condition: Double) {
    let work = try SymmetricPair(size: y.columns)
    try work.setLower(from: kernel, subtracting: false, shift: lambda, threads: threads)
    let norm = work.oneNorm()
    try work.factorise(threads: threads)
    var dual = y
    work.solve(&dual.values, count: y.rows)
    return (try dual.multiplied(by: x), try work.condition(norm: norm))
  }
}
