internal import LinearAlgebra
internal import Tensors

/// Ridge regressions by the Cholesky factorisation of `G + λ 1`.
///
/// Memory: 16 · features² bytes, a tile of 32 MiB, and a few rows of y's width; the number of tokens
/// does not matter. Sums over tokens are float64.
struct PrimalRidge: RidgeSystem {
  let meanEigenvalue: Double
  let squares: [Double]
  let references: [Double]

  private let targets: CalibrationTargets
  private let threads: Int
  /// G, and that of one fold.
  private let gram: SymmetricPair
  /// What is factorised.
  private let work: SymmetricPair
  private let products: Matrix

  /// Sums over some tokens, G aside.
  private struct Sums {
    /// `Σ y xᵀ`, [rowCount, features]
    var products: Matrix
    var squares: [Double]
    var references: [Double]
  }

  init(_ targets: CalibrationTargets, threads: Int) throws {
    self.targets = targets
    self.threads = threads
    gram = try SymmetricPair(size: targets.features)
    work = try SymmetricPair(size: targets.features)
    let sums = try PrimalRidge.sum(
      targets, 0..<targets.tokens, into: gram, .lower, threads: threads)
    products = sums.products
    squares = sums.squares
    references = sums.references
    meanEigenvalue = gram.trace(.lower) / Double(targets.features)
  }

  private static func sum(
    _ targets: CalibrationTargets, _ tokens: Range<Int>, into gram: SymmetricPair,
    _ half: SymmetricPair.Half, threads: Int
  ) throws -> Sums {
    var sums = Sums(
      products: Matrix(rows: targets.rowCount, columns: targets.features),
      squares: [Double](repeating: 0, count: targets.rowCount),
      references: [Double](repeating: 0, count: targets.blocks.count))
    let blas = try BLAS.load()
    try targets.forEachTile(of: tokens) { tile in
      try gram.addProducts(of: tile.x, count: tile.y.rows, to: half, threads: threads)
      tile.y.values.withUnsafeBufferPointer { y in
        sums.products.values.withUnsafeMutableBufferPointer { target in
          guard let y = y.baseAddress, let target = target.baseAddress else { return }
          blas.transposedTimes(
            MatrixView(y, stride: targets.rowCount), tile.x, m: targets.rowCount,
            n: targets.features, k: tile.y.rows, beta: 1, into: target, stride: targets.features)
        }
      }
      for row in 0..<tile.y.rows {
        for column in 0..<targets.rowCount {
          sums.squares[column] += tile.y[row, column] * tile.y[row, column]
        }
      }
      for (block, value) in tile.references.enumerated() { sums.references[block] += value }
    }
    return sums
  }

  func crossValidated(_ folds: [Range<Int>], lambdas: [Double]) throws -> [[Double]] {
    var errors = lambdas.map { _ in [Double](repeating: 0, count: targets.rowCount) }
    let features = targets.features
    for fold in folds {
      gram.clear(.upper)
      let held = try PrimalRidge.sum(targets, fold, into: gram, .upper, threads: threads)
      for (index, lambda) in lambdas.enumerated() {
        try work.setLower(from: gram, subtracting: true, shift: lambda, threads: threads)
        try work.factorise(threads: threads)
        var fit = zip(products.values, held.products.values).map { $0 - $1 }
        work.solve(&fit, count: targets.rowCount)
        // Σ (y − r x)² = Σ y² − 2 r Σ y x + r G rᵀ over the fold.
        var image = [Double](repeating: 0, count: fit.count)
        gram.times(.upper, rows: fit, count: targets.rowCount, into: &image)
        for row in 0..<targets.rowCount {
          var error = held.squares[row]
          for i in (row * features)..<((row + 1) * features) {
            error += fit[i] * (image[i] - 2 * held.products.values[i])
          }
          errors[index][row] += max(0, error)
        }
      }
    }
    return errors
  }

  func fit(lambda: Double) throws -> (rows: Matrix, condition: Double) {
    try work.setLower(from: gram, subtracting: false, shift: lambda, threads: threads)
    let norm = work.oneNorm()
    try work.factorise(threads: threads)
    var fit = products
    work.solve(&fit.values, count: targets.rowCount)
    return (fit, try work.condition(norm: norm))
  }
}
