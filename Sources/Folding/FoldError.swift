public import Tensors

/// Why a fold did not produce its output.
public enum FoldError: DiagnosableError, Equatable {
  /// A NaN or an infinity in weights that a product was to be added to.
  case nonFinite(base: String, weights: [TensorName])
  /// Finite weights that the output's dtype can't hold after the fold.
  case overflow(base: String, weights: [TensorName], elements: Int, dtype: DType)
  /// What was read back is not what was written.
  case damaged(output: TensorName, offset: Int)
  /// A folded element that a computation in float64 does not confirm.
  case unconfirmed(output: TensorName, row: Int, column: Int, found: Double, expected: Double)

  /// Bad data in, or a machine that does not do what it says.
  public var failureKind: FailureKind {
    switch self {
    case .nonFinite, .overflow: .badData
    case .damaged, .unconfirmed: .resource
    }
  }

  /// One line for the user.
  public var description: String {
    func list(_ names: [TensorName]) -> String {
      names.listed { "'\($0)'" }
    }
    return switch self {
    case .nonFinite(let base, let weights):
      "\(base.escapedForTerminal): not finite: \(list(weights)); "
        + "pass --allow-nonfinite to keep NaN and infinities"
    case .overflow(let base, let weights, let elements, let dtype):
      "\(base.escapedForTerminal): \(elements) elements overflow \(dtype.rawValue) when folded, in "
        + "\(list(weights)); choose a wider --dtype, or pass --allow-nonfinite to keep "
        + "infinities"
    case .damaged(let output, let offset):
      "tensor '\(output)': reads back differently from what was written (at byte \(offset)); "
        + "the disk or file system damaged it"
    case .unconfirmed(let output, let row, let column, let found, let expected):
      "tensor '\(output)': row \(row), column \(column) is not confirmed by float64 arithmetic "
        + "(found \(found), expected \(expected)); please report this"
    }
  }
}
