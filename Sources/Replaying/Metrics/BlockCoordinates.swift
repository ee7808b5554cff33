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
    let isMerged = mergedLefts.map { $0 == left }
    let alone = needsOracle || isMerged.contains(true) ? try Factorisation.qr(left).r : nil
    var merges: [(reference: Matrix, merged: Matrix)] = []
    for (merged, isLeft) in zip(mergedLefts, isMerged) {
      if isLeft, let alone {
        // The same coordinates for both: what is equal has the error 0.
        merges.append((alone, alone))
        continue
      }
      let r = try Factorisation.qr(.stackedColumns([left, merged])).r
      merges.append(
        (r.columns(0..<left.columns), r.columns(left.columns..<(left.columns + merged.columns))))
    }
    self.merges = merges
    own = needsOracle ? alone : nil
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
