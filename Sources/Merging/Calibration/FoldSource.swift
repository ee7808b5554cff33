package import LinearAlgebra
package import Tensors

/// What a regression needs of the tokens of one fold beside `Σ x xᵀ`.
package struct FoldPart: Sendable {
  /// `Σ t xᵀ`, [rows of t, features].
  package var products: Matrix
  /// The other sums; nil where they were not asked for.
  package var sums: TokenSums?

  /// Joins both.
  package init(products: Matrix, sums: TokenSums?) {
    self.products = products
    self.sums = sums
  }
}

/// Where the sums over the tokens of each fold come from: from captured inputs, or from files that
/// tasks left (Replay §9). Each is added up from zero, so both give the same bits.
package protocol FoldSource {
  /// Sets the upper matrix of a pair to `Σ x xᵀ` over the tokens of a fold.
  ///
  /// - Parameter withSums: whether `FoldPart.sums` is needed too.
  func read(_ fold: Int, into gram: SymmetricPair, withSums: Bool) throws -> FoldPart
}

/// Sums that are computed from captured inputs whenever they are asked for.
///
/// Memory: as `CalibrationTargets.forEachTile`.
struct ComputedFolds: FoldSource {
  let targets: CalibrationTargets
  let folds: [Range<Int>]
  let threads: Int

  func read(_ fold: Int, into gram: SymmetricPair, withSums: Bool) throws -> FoldPart {
    let blas = try BLAS.load()
    gram.clear(.upper)
    var products = Matrix(rows: targets.rowCount, columns: targets.features)
    var sums = targets.noSums
    try targets.forEachTile(of: folds[fold]) { tile in
      try gram.addProducts(of: tile.x, count: tile.t.rows, to: .upper, threads: threads)
      unsafe tile.t.values.withUnsafeBufferPointer { t in
        unsafe products.values.withUnsafeMutableBufferPointer { target in
          guard let t = t.baseAddress, let target = target.baseAddress else { return }
          unsafe blas.transposedTimes(
            MatrixView(t, stride: targets.rowCount), tile.x, m: targets.rowCount,
            n: targets.features, k: tile.t.rows, beta: 1, into: target, stride: targets.features)
        }
      }
      if withSums { sums.add(try tile.sums()) }
    }
    return FoldPart(products: products, sums: withSums ? sums : nil)
  }
}
