internal import ByteIO
internal import LinearAlgebra
internal import Tensors

/// Ridge regressions of the rows of t on x over one set of tokens, which share `G = Σ x xᵀ`: maps
/// `R = argmin Σ (t − R x)² + λ ‖R − R_0‖²` with `λ = c trace(G) / features` (Replay §4.2).
protocol RidgeSystem {
  /// Sums over all tokens, and by fold.
  var sums: FoldSums { get }

  /// The squared error of each row over all tokens, each token predicted by a fit on the folds it is
  /// not in: by prior, then by penalty. There are at least two folds.
  ///
  /// - Parameters:
  ///   - penalties: values of c; an infinite one leaves the prior as it is.
  ///   - paper: the first prior, [rowCount, features]; nil where there is only the other,
  ///     `slopePriors` of the tokens fitted on.
  ///   - step: called before every penalty of every fold.
  func crossValidated(
    penalties: [Double], paper: Matrix?, step: () throws -> Void
  ) throws -> [[[Double]]]

  /// `R − R_0` of the fit on all tokens, [rowCount, features].
  func correction(penalty: Double, prior: Matrix) throws -> Matrix

  /// The largest eigenvalue of G.
  func largestEigenvalue() -> Double
}

/// What both forms share, and the choice between them; they give the same fits.
enum RidgeSystems {
  /// Errors to add to: by prior, penalty and row.
  static func noErrors(
    _ targets: CalibrationTargets, _ penalties: [Double], _ paper: Matrix?
  ) -> [[[Double]]] {
    [[[Double]]](
      repeating: penalties.map { _ in [Double](repeating: 0, count: targets.rowCount) },
      count: paper == nil ? 1 : 2)
  }

  /// The form that takes less memory: tokens · (features + 2 · tokens) numbers in the dual form,
  /// 2 · features² in the other.
  ///
  /// - Throws: `LinearAlgebraError.tooLarge`, errors of reading.
  static func make(
    _ targets: CalibrationTargets, folds: [Range<Int>], threads: Int
  ) throws -> any RidgeSystem {
    // In floating point, where nothing overflows.
    let (tokens, features) = (Double(targets.tokens), Double(targets.features))
    let (dual, primal) = (tokens * (features + 2 * tokens), 2 * features * features)
    let needed = 8 * min(dual, primal)
    let available = Parallel.memoryByteCount
    guard needed < Double(available) else {
      throw LinearAlgebraError.tooLarge(
        needed: Int(min(needed, 0x1p62)), available: available)
    }
    return dual < primal
      ? try DualRidge(targets, folds: folds, threads: threads)
      : try PrimalRidge(targets, folds: folds, threads: threads)
  }
}
