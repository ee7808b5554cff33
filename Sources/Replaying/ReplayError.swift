public import Tensors

/// Why a merge can't be replayed.
public enum ReplayError: DiagnosableError, Equatable {
  /// A merged LoRA of other blocks than the adapter's.
  case otherBlocks(merged: String, missing: [TensorName], extra: [TensorName])
  /// A block of another shape.
  case otherShape(merged: String, block: TensorName, found: [Int], expected: [Int])
  /// Folded weights, and no base to hold them against.
  case foldedWithoutBase(folded: String)
  /// Terms of a block that are beyond float64.
  case nonFiniteTerm(source: String, block: TensorName)
  /// A NaN or an infinity in a weight, or products of it that are beyond float32.
  case nonFiniteOutput(source: String, weight: TensorName)

  /// What was asked for is usage; what the files hold is bad data.
  public var failureKind: FailureKind {
    if case .foldedWithoutBase = self { .usage } else { .badData }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .otherBlocks(let merged, let missing, let extra):
      "\(merged.escapedForTerminal): not merged from this adapter: "
        + [
          missing.isEmpty ? nil : "it lacks " + missing.listed { "'\($0)'" },
          extra.isEmpty ? nil : "the adapter lacks " + extra.listed { "'\($0)'" },
        ].compactMap { $0 }.joined(separator: "; ")
    case .otherShape(let merged, let block, let found, let expected):
      "\(merged.escapedForTerminal): block '\(block)': of another shape (found \(found), expected "
        + "\(expected))"
    case .foldedWithoutBase(let folded):
      "\(folded.escapedForTerminal): what rounding adds is measured against the weights before the "
        + "fold; pass --base BASE"
    case .nonFiniteTerm(let source, let block):
      "\(source.escapedForTerminal): block '\(block)': what the adapter adds to these inputs is beyond "
        + "float64; are they right? --allow-nonfinite goes on"
    case .nonFiniteOutput(let source, let weight):
      "\(source.escapedForTerminal): tensor '\(weight)': its outputs are not finite; pass "
        + "--allow-nonfinite to go on"
    }
  }
}
