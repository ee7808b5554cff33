/// What some whole rows of a weight W add to its statistics (Merging §4.5).
///
/// Pieces are those of `RowTiles`; their sums are added in order of the rows, so that statistics
/// have the same bits whoever gathers them.
package struct TileSums: Sendable, Equatable {
  /// `‖W‖²`
  package let squaredNorm: Double
  /// `⟨Lᵀ W, R_k⟩` for each k.
  package let cross: [Double]
  /// Whether no element is infinite or NaN.
  package let isFinite: Bool

  /// Wraps sums.
  package init(squaredNorm: Double, cross: [Double], isFinite: Bool) {
    self.squaredNorm = squaredNorm
    self.cross = cross
    self.isFinite = isFinite
  }
}
