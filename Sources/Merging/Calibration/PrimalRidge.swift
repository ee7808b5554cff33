internal import LinearAlgebra
internal import Tensors

/// Ridge regressions by the Cholesky factorisation of `G + λ 1`.
///
/// Memory: 16 · features² bytes, the tiles, and 10 times the rows of t as wide as x; the number of
/// tokens does not matter. All sums are float64.
struct PrimalRidge: RidgeSystem {
  private(set) var sums: FoldSums

  private let targets: CalibrationTargets
  private let threads: Int
  /// G, and that of one fold.
  private let gram: SymmetricPair
  /// What is factorised.
  private let work: SymmetricPair
  /// `Σ t xᵀ`, [rowCount, features]
  private var products: Matrix

  init(_ targets: CalibrationTargets, folds: [Range<Int>], threads: Int) throws {
    self.targets = targets
    self.threads = threads
    gram = try SymmetricPair(size: targets.features)
    work = try SymmetricPair(size: targets.features)
    products = Matrix(rows: targets.rowCount, columns: targets.features)
    sums = FoldSums(targets, folds: folds)
    for fold in folds {
      var own = CalibrationTargets.Sums(targets)
      try add(fold, to: .lower, &products) { own.add(try $0.sums()) }
      sums.append(own)
    }
  }

  /// Adds what G and `Σ t xᵀ` are over some tokens, and calls `body` for every tile of them.
  private func add(
    _ tokens: Range<Int>, to half: SymmetricPair.Half, _ products: inout Matrix,
    _ body: (CalibrationTargets.Tile) throws -> Void = { _ in }
  ) throws {
    let blas = try BLAS.load()
    try targets.forEachTile(of: tokens) { tile in
      try gram.addProducts(of: tile.x, count: tile.t.rows, to: half, threads: threads)
      unsafe tile.t.values.withUnsafeBufferPointer { t in
        unsafe products.values.withUnsafeMutableBufferPointer { target in
          guard let t = t.baseAddress, let target = target.baseAddress else { return }
          unsafe blas.transposedTimes(
            MatrixView(t, stride: targets.rowCount), tile.x, m: targets.rowCount,
            n: targets.features, k: tile.t.rows, beta: 1, into: target, stride: targets.features)
        }
      }
      try body(tile)
    }
  }

  func crossValidated(
    penalties: [Double], paper: Matrix?, step: () throws -> Void
  ) throws -> [[[Double]]] {
    var errors = RidgeSystems.noErrors(targets, penalties, paper)
    for (number, fold) in sums.folds.enumerated() {
      gram.clear(.upper)
      var held = Matrix(rows: targets.rowCount, columns: targets.features)
      try add(fold, to: .upper, &held)
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
    _ map: Matrix, _ held: Matrix, _ sums: CalibrationTargets.Sums
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
