internal import Adapters
internal import LinearAlgebra
internal import Tensors

/// The cut of one block's product to fewer singular values (Merging §4.9, Replay §5): both kinds keep
/// the part of `B A` in the span of some directions of its output, `Q U Uᵀ R_B A` with `B = Q R_B`;
/// they differ in which.
struct FactorTruncation {
  let factors: PlainFactors
  /// `‖Δ − Δ_cut‖ / ‖Δ‖`, or the same of outputs on captured inputs.
  let relativeError: Double
  /// The error on captured inputs of the cut that keeps most of `‖Δ‖`; nil without them.
  let plainRelativeError: Double?

  /// The cut, or nil where the rank is kept.
  ///
  /// - Parameter metric: `Σ p pᵀ` of the block; nil cuts by `‖Δ‖`.
  /// - Throws: `LinearAlgebraError`.
  init?(
    _ factors: PlainFactors, _ truncation: RankTruncation, metric: Matrix?
  ) throws(LinearAlgebraError) {
    let rank = factors.a.rows
    let (q, r) = try Factorisation.qr(factors.b)
    let ra = try Factorisation.qr(factors.a.transposed).r
    let plain = try Factorisation.svd(r.timesTransposed(ra))
    guard let metric else {
      let kept = truncation.keptCount(plain.sigma)
      guard kept < rank else { return nil }
      relativeError = FactorTruncation.lost(plain.sigma, kept)
      plainRelativeError = nil
      self.factors = try FactorTruncation.cut(factors.a, q, r, plain.u, kept)
      return
    }
    // What the tokens do not see is ordered as by ‖Δ‖.
    let image = try r.multiplied(by: metric).timesTransposed(r)
    let size = plain.sigma.reduce(0) { $0 + $1 * $1 }
    let gain = size > 0 ? FactorTruncation.trace(image) / size : 0
    let floor = gain > 0 ? 1e-6 * gain : 1
    let gram = try factors.a.timesTransposed(factors.a)
    var definite = metric
    for i in definite.values.indices { definite.values[i] += floor * gram.values[i] }
    let (v, d, _) = try Factorisation.svd(definite)
    var root = v
    for row in 0..<root.rows {
      for column in 0..<root.columns { root[row, column] *= d[column].squareRoot() }
    }
    let seen = try Factorisation.svd(r.multiplied(by: root))
    // More directions than the product has are none of it.
    let kept = min(truncation.keptCount(seen.sigma), plain.u.columns)
    guard kept < rank else { return nil }
    relativeError = FactorTruncation.lost(image, seen.u, kept)
    plainRelativeError = FactorTruncation.lost(image, plain.u, kept)
    self.factors = try FactorTruncation.cut(factors.a, q, r, seen.u, kept)
  }

  /// `B' = Q U g`, `A' = g⁻¹ Uᵀ R_B A`, g such that a column of B' and a row of A' have equal norms.
  private static func cut(
    _ a: Matrix, _ q: Matrix, _ r: Matrix, _ u: Matrix, _ kept: Int
  ) throws(LinearAlgebraError) -> PlainFactors {
    var directions = Matrix(rows: u.rows, columns: kept)
    for row in 0..<u.rows {
      for column in 0..<kept { directions[row, column] = u[row, column] }
    }
    var left = try q.multiplied(by: directions)
    var right = try directions.transposed.multiplied(by: r).multiplied(by: a)
    for k in 0..<kept {
      let norm = (0..<right.columns).reduce(0) { $0 + right[k, $1] * right[k, $1] }.squareRoot()
      guard norm > 0 else { continue }
      let share = norm.squareRoot()
      for column in 0..<right.columns { right[k, column] /= share }
      for row in 0..<left.rows { left[row, k] *= share }
    }
    return PlainFactors(a: right, b: left)
  }

  private static func lost(_ sigma: [Double], _ kept: Int) -> Double {
    let total = sigma.reduce(0) { $0 + $1 * $1 }
    let rest = sigma[kept...].reduce(0) { $0 + $1 * $1 }
    return total == 0 ? 0 : (rest / total).squareRoot()
  }

  /// The share of the trace of `image` outside of the first directions, as a ratio of norms.
  private static func lost(_ image: Matrix, _ directions: Matrix, _ kept: Int) -> Double {
    let total = trace(image)
    guard total != 0 else { return 0 }
    var inside = 0.0
    for k in 0..<kept {
      for row in 0..<image.rows {
        for column in 0..<image.columns {
          inside += directions[row, k] * image[row, column] * directions[column, k]
        }
      }
    }
    let rest = total - inside
    // What rounding leaves of a difference of equals is nothing.
    return abs(rest) <= 1e-14 * total ? 0 : (rest / total).squareRoot()
  }

  private static func trace(_ matrix: Matrix) -> Double {
    (0..<matrix.rows).reduce(0) { $0 + matrix[$1, $1] }
  }
}
