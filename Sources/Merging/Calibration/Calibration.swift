public import Activations

/// Captured inputs that merges are fitted on (Replay §4), and how.
public struct Calibration: Sendable {
  /// The tokens, all blocks of the adapter.
  public var inputs: CapturedInputs
  /// c, λ over the mean eigenvalue of G; nil chooses it by cross-validation.
  public var penalty: Double?

  /// Describes a calibration.
  public init(_ inputs: CapturedInputs, penalty: Double? = nil) {
    self.inputs = inputs
    self.penalty = penalty
  }

  /// The same on some of the tokens.
  func taking(_ range: Range<Int>) -> Calibration {
    Calibration(inputs.taking(range), penalty: penalty)
  }
}

/// What is known of one block's fit (Replay §4.2).
public struct BlockFit: Sendable, Equatable {
  /// The tokens it was fitted on.
  public let tokens: Int
  /// The method whose result it was drawn towards, or `slopes`.
  public let prior: String
  /// c, λ over the mean eigenvalue of G; infinite where the prior was left as it is.
  public let penalty: Double
  /// λ, in the unit of squared inputs.
  public let lambda: Double
  /// The delta error that cross-validation expects on other tokens; nil where λ was given.
  public let crossValidatedError: Double?
  /// What the condition number of `G + λ 1` is at most, `(ρ + λ) / λ` with ρ the largest eigenvalue of
  /// G; nil for an infinite λ.
  public let condition: Double?

  /// The prior that is a regression of each feature over the same feature.
  public static let slopes = "slopes"
}
