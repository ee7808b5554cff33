public import Tensors

/// Why a base and adapters make no plan, matching aside.
public enum FoldPlanError: DiagnosableError, Equatable {
  /// Several updates of one weight, of which one is no sum.
  case notAdditive(weight: TensorName, kind: String)
  /// A weight or scale for an update that is no sum.
  case notScalable(weight: TensorName, kind: String)
  /// An 8-bit weight whose block scales are missing or do not fit.
  case noBlockScales(base: String, weight: TensorName, expected: String)
  /// Experts of an 8-bit stack.
  case quantisedStack(weight: TensorName)
  /// A tied parameter that is stored twice, in different shapes.
  case tieShapes(embedding: TensorName, output: TensorName, found: [Int], expected: [Int])
  /// Both names of a tied parameter change, each in its own way.
  case tieBroken(embedding: TensorName, output: TensorName)

  /// Bad data, except what is asked for and can't be.
  public var failureKind: FailureKind {
    switch self {
    case .notAdditive, .notScalable: .usage
    case .noBlockScales, .quantisedStack, .tieBroken, .tieShapes: .badData
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .notAdditive(let weight, let kind):
      "weight '\(weight)': \(kind) is no sum, so it can't be joined with another adapter's update "
        + "of the same weight; fold one after the other"
    case .notScalable(let weight, let kind):
      "weight '\(weight)': \(kind) is no sum, so it has no scale; leave --scale and the adapter's "
        + "weight at 1"
    case .noBlockScales(let base, let weight, let expected):
      "\(base.escapedForTerminal): weight '\(weight)' is F8_E4M3 without block scales that are "
        + "understood (expected \(expected)); fold into a 16-bit checkpoint of the model"
    case .quantisedStack(let weight):
      "weight '\(weight)': experts of an F8_E4M3 stack can't be folded; "
        + "fold into a 16-bit checkpoint of the model"
    case .tieShapes(let embedding, let output, let found, let expected):
      "'\(embedding)' and '\(output)' are tied in this model (config.json: tie_word_embeddings) and "
        + "differ in shape (found \(found), expected \(expected)); correct the base or its config"
    case .tieBroken(let embedding, let output):
      "'\(embedding)' and '\(output)' are tied in this model, and the adapter changes each in its "
        + "own way; untie them in the base first (store both, tie_word_embeddings false)"
    }
  }
}
