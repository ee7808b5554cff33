internal import Tensors

/// What the norm of `W + Σ_k t_k L R_k` needs to know of a weight, whatever the `t_k`
/// (Merging §4.5).
public struct BlockStatistics: Sendable, Equatable {
  /// `‖W‖²`
  public let squaredNorm: Double
  /// `⟨Lᵀ W, R_k⟩` for each k
  public let cross: [Double]
  /// `⟨Lᵀ L, R_k R_lᵀ⟩` for each k and l
  public let gram: [[Double]]

  /// Wraps the numbers.
  init(squaredNorm: Double, cross: [Double], gram: [[Double]]) {
    precondition(gram.count == cross.count && gram.allSatisfy { $0.count == cross.count })
    self.squaredNorm = squaredNorm
    self.cross = cross
    self.gram = gram
  }

  /// Adds up the sums of all tiles of a weight, in order of their rows.
  init(_ tiles: some Collection<TileSums>, gram: [[Double]]) {
    self.init(
      squaredNorm: tiles.reduce(0) { $0 + $1.squaredNorm },
      cross: gram.indices.map { k in tiles.reduce(0) { $0 + $1.cross[k] } }, gram: gram)
  }

  /// `‖W + Σ_k t_k L R_k‖`; a square that rounding makes negative counts as 0.
  public func mergedNorm(_ t: [Double]) -> Double {
    precondition(t.count == cross.count)
    var square = squaredNorm
    for k in t.indices {
      square += 2 * t[k] * cross[k]
      for l in t.indices { square += t[k] * t[l] * gram[k][l] }
    }
    return square < 0 ? 0 : square.squareRoot()  // not max, which drops a NaN
  }
}
