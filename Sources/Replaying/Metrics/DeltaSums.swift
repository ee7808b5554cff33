package import LinearAlgebra
package import Tensors

/// Sums over tokens behind the metrics of one block and one merge (Replay §3).
struct DeltaSums: Sendable {
  /// `Σ ‖Δ_res‖²`
  var reference = 0.0
  /// `Σ ‖Δ_mer‖²`
  var merged = 0.0
  /// `Σ ⟨Δ_res, Δ_mer⟩`
  var cross = 0.0
  /// `Σ ‖Δ_res − Δ_mer‖²`
  var residual = 0.0
  /// The largest `‖Δ_res − Δ_mer‖² / ‖Δ_res‖²` of a token whose `Δ_res` is not 0; nil without one.
  var largestRatio: Double?

  /// Sums over the rows of `Δ_res` and `Δ_mer` in common coordinates.
  init(reference a: Matrix, merged b: Matrix) {
    for row in 0..<a.rows {
      var sums = DeltaSums()
      for i in (row * a.columns)..<((row + 1) * a.columns) {
        let (x, y) = (a.values[i], b.values[i])
        sums.reference += x * x
        sums.merged += y * y
        sums.cross += x * y
        sums.residual += (x - y) * (x - y)
      }
      if sums.reference > 0 { sums.largestRatio = sums.residual / sums.reference }
      add(sums)
    }
  }

  /// Nothing yet.
  init() {}

  mutating func add(_ other: DeltaSums) {
    reference += other.reference
    merged += other.merged
    cross += other.cross
    residual += other.residual
    largestRatio = [largestRatio, other.largestRatio].compactMap { $0 }.max()
  }
}

/// Sums behind the α that least squares gives (Replay §4.1).
package struct ScalarSums: Sendable {
  /// `⟨u, v⟩`
  package var cross = 0.0
  /// `⟨u, u⟩`
  package var own = 0.0

  /// Nothing yet.
  package init() {}

  /// Sums over the rows of u and v in common coordinates.
  fileprivate init(own u: Matrix, shortcut v: Matrix) {
    for (x, y) in zip(u.values, v.values) {
      cross += x * y
      own += x * x
    }
  }

  package mutating func add(_ other: ScalarSums) {
    cross += other.cross
    own += other.own
  }

  /// α; 0 where the block adds nothing, whatever it is multiplied with.
  package var alpha: Double { own == 0 ? 0 : cross / own }
}

extension ShortcutForward {
  /// The sums behind a block's α over a tile.
  ///
  /// - Parameter coordinates: the triangular factor of the block's `s B`, in which norms are those of
  ///   outputs.
  package func scalarSums(
    of block: Int, in tile: Projections.Tile, _ coordinates: Matrix
  ) throws(LinearAlgebraError) -> ScalarSums {
    ScalarSums(
      own: try own(of: block, in: tile).timesTransposed(coordinates),
      shortcut: try shortcut(of: block, in: tile).timesTransposed(coordinates))
  }
}
