internal import LinearAlgebra
internal import Tensors

/// Ridge regressions of the rows of y on x over one set of tokens, which share `G = Σ x xᵀ`
/// (Replay §4.2).
protocol RidgeSystem {
  /// The mean eigenvalue of G, by which penalties are multiplied to give λ.
  var meanEigenvalue: Double { get }
  /// `Σ y²` of every row: the error of leaving the prior as it is.
  var squares: [Double] { get }
  /// `Σ ‖Δ_res‖²` of every block.
  var references: [Double] { get }

  /// The squared error of each row over all tokens, each token predicted by a fit on the folds it is
  /// not in; for each λ.
  func crossValidated(_ folds: [Range<Int>], lambdas: [Double]) throws -> [[Double]]

  /// The fit on all tokens: rows [rowCount, features], and the condition number of what was
  /// factorised.
  func fit(lambda: Double) throws -> (rows: Matrix, condition: Double)
}

/// The choice between the two forms, which give the same fits.
enum RidgeSystems {
  /// The form that takes less memory: G has features², the dual form tokens · (features + 2 tokens)
  /// against 2 features².
  static func make(_ targets: CalibrationTargets, threads: Int) throws -> any RidgeSystem {
    let (tokens, features) = (targets.tokens, targets.features)
    return tokens * (features + 2 * tokens) < 2 * features * features
      ? try DualRidge(targets, threads: threads) : try PrimalRidge(targets, threads: threads)
  }
}
