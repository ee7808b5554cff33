internal import LinearAlgebra
internal import Tensors

/// Ridge regressions by the Cholesky factorisation of `G + λ 1`.
///
/// The sums of each fold are asked for once for the total, which is their sum in order, and once more
/// when the fold is left out. Memory: 16 · features² bytes, what the source takes, and 10 times the rows
/// of t as wide as x; the number of tokens does not matter. All sums are float64.
struct PrimalRidge: RidgeSystem {
  private(set) var sums: FoldSums

  private let targets: CalibrationTargets
  private let source: any FoldSource
  private let threads: Int
  /// G, and that of one fold.
  private let gram: SymmetricPair
  /// What is factorised.
  private let work: SymmetricPair
  /// `Σ t xᵀ`, [rowCount, features]
  private var products: Matrix

  init(
    _ targets: CalibrationTargets, folds: [Range<Int>], source: any FoldSource, threads: Int
  ) throws {
    self.targets = targets
    self.source = source
    self.threads = threads
    gram = try SymmetricPair(size: targets.features)
    work = try SymmetricPair(size: targets.features)
    products = Matrix(rows: targets.rowCount, columns: targets.features)
    sums = FoldSums(targets, folds: folds)
    for fold in folds.indices {
      let part = try source.read(fold, into: gram, withSums: true)
      try gram.addUpperToLower(threads: threads)
      for i in products.values.indices { products.values[i] += part.products.values[i] }
      sums.append(part.sums ?? targets.noSums)
    }
  }

  func crossValidated(
    penalties: [Double], paper: Matrix?, step: () throws -> Void
  ) throws -> [[[Double]]] {
    var errors = RidgeSystems.noErrors(targets, penalties, paper)
    for number in sums.folds.indices {
      let held = try source.read(number, into: gram, withSums: false).products
      let rest = sums.outside(number)
      // (Σ t xᵀ − R_0 G) over the other folds, of all priors below each other.
      let prior = try targets.stackedPriors(paper, rest)
      var right = try times(.lower, prior)
      let inside = try times(.upper, prior)
      for i in right.values.indices {
        let known = i % products.values.count
        right.values[i] =
          products.values[known] - held.values[known]
          - (right.values[i] - inside.values[i])
      }
      for (index, penalty) in penalties.enumerated() {
        try step()
        var map = prior
        let shift = penalty * rest.meanEigenvalue
        if penalty.isFinite, shift > 0 {
          try work.setLower(from: gram, subtracting: true, shift: shift, threads: threads)
          try work.factorise(threads: threads, checkpoint: targets.checkpoint)
          var correction = right
          try unsafe work.solve(&correction.values, count: correction.rows, threads: threads)
          for i in map.values.indices { map.values[i] += correction.values[i] }
        }
        add(try squaredErrors(map, held, sums.inside(number)), to: &errors, index)
      }
    }
    return errors
  }

  /// `Σ (t − R x)² = Σ t² − 2 R Σ t xᵀ + R G Rᵀ` over a fold, for the rows of all priors.
  private func squaredErrors(
    _ map: Matrix, _ held: Matrix, _ sums: TokenSums
  ) throws -> [Double] {
    let image = try times(.upper, map)
    return (0..<map.rows).map { row in
      let known = row % targets.rowCount
      var error = sums.squares[known]
      for column in 0..<map.columns {
        error += map[row, column] * (image[row, column] - 2 * held[known, column])
      }
      return error < 0 ? 0 : error
    }
  }

  private func add(_ rows: [Double], to errors: inout [[[Double]]], _ penalty: Int) {
    for (row, error) in rows.enumerated() {
      errors[row / targets.rowCount][penalty][row % targets.rowCount] += error
    }
  }

  private func times(_ half: SymmetricPair.Half, _ rows: Matrix) throws -> Matrix {
    var result = Matrix(rows: rows.rows, columns: rows.columns)
    try unsafe gram.times(
      half, rows: rows.values, count: rows.rows, into: &result.values, threads: threads)
    return result
  }

  func correction(penalty: Double, prior: Matrix) throws -> Matrix {
    let shift = penalty * sums.total.meanEigenvalue
    var right = try times(.lower, prior)
    for i in right.values.indices { right.values[i] = products.values[i] - right.values[i] }
    try work.setLower(from: gram, subtracting: false, shift: shift, threads: threads)
    try work.factorise(threads: threads, checkpoint: targets.checkpoint)
    try unsafe work.solve(&right.values, count: right.rows, threads: threads)
    return right
  }

  func largestEigenvalue() -> Double { gram.largestEigenvalue(.lower) }
}
