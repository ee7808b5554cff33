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
package enum RidgeSystems {
  /// Errors to add to: by prior, penalty and row.
  static func noErrors(
    _ targets: CalibrationTargets, _ penalties: [Double], _ paper: Matrix?
  ) -> [[[Double]]] {
    [[[Double]]](
      repeating: penalties.map { _ in [Double](repeating: 0, count: targets.rowCount) },
      count: paper == nil ? 1 : 2)
  }

  /// Which of two systems of equal solutions is solved (Replay §4.3).
  package enum Form: Sendable {
    /// As large as there are features: 2 · features² numbers.
    case primal
    /// As large as there are tokens: tokens · (features + 2 · tokens) numbers.
    case dual
  }

  /// The form that takes less memory, and the bytes it takes.
  static func form(tokens: Int, features: Int) -> (form: Form, byteCount: Double) {
    // In floating point, where nothing overflows.
    let (tokens, features) = (Double(tokens), Double(features))
    let (dual, primal) = (tokens * (features + 2 * tokens), 2 * features * features)
    return dual < primal ? (.dual, 8 * dual) : (.primal, 8 * primal)
  }

  /// Refuses what the machine can't hold.
  ///
  /// - Throws: `LinearAlgebraError.tooLarge`.
  static func requireMemory(_ needed: Double) throws(LinearAlgebraError) {
    let available = Parallel.memoryByteCount
    guard needed < Double(available) else {
      throw .tooLarge(needed: Int(min(needed, 0x1p62)), available: available)
    }
  }

  /// Gathers all sums and makes the system.
  ///
  /// - Parameter source: where the sums of folds come from, in the primal form; nil computes them.
  /// - Throws: `LinearAlgebraError.tooLarge`, errors of reading.
  static func make(
    _ targets: CalibrationTargets, folds: [Range<Int>], source: (any FoldSource)?, threads: Int
  ) throws -> any RidgeSystem {
    let (form, needed) = form(tokens: targets.tokens, features: targets.features)
    try requireMemory(needed)
    switch form {
    case .dual: return try DualRidge(targets, folds: folds, threads: threads)
    case .primal:
      return try PrimalRidge(
        targets, folds: folds,
        source: source ?? ComputedFolds(targets: targets, folds: folds, threads: threads),
        threads: threads)
    }
  }
}
