internal import Adapters
internal import LinearAlgebra
internal import Tensors

/// What turns products `A x` of one block into coordinates in which norms are those of the outputs:
/// the triangular factor of the B's side by side, `[L, s B_mer] = Q R`. So no token needs a product
/// as wide as the block's output.
struct BlockCoordinates: Sendable {
  /// For each merge: the columns of R for `Δ_res` and for `Δ_mer`.
  let merges: [(reference: Matrix, merged: Matrix)]
  /// The triangular factor of `s B`, for the oracle; nil where there is no α to know.
  let own: Matrix?

  init(left: Matrix, mergedLefts: [Matrix], needsOracle: Bool) throws(LinearAlgebraError) {
    var merges: [(reference: Matrix, merged: Matrix)] = []
    for merged in mergedLefts {
      if merged == left {
        // The same coordinates for both: what is equal has the error 0.
        let r = try Factorisation.qr(left).r
        merges.append((r, r))
        continue
      }
      let r = try Factorisation.qr(.stackedColumns([left, merged])).r
      merges.append(
        (r.columns(0..<left.columns), r.columns(left.columns..<(left.columns + merged.columns))))
    }
    self.merges = merges
    own = needsOracle ? try Factorisation.qr(left).r : nil
  }
}

extension Matrix {
  /// Some of the columns.
  fileprivate func columns(_ range: Range<Int>) -> Matrix {
    var values: [Double] = []
    values.reserveCapacity(rows * range.count)
    for row in 0..<rows {
      values += self.values[(row * columns + range.lowerBound)..<(row * columns + range.upperBound)]
    }
    return Matrix(rows: rows, columns: range.count, values: values)
  }
}
