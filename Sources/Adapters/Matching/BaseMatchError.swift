public import Tensors

/// The blocks that do not fit a base, all of them.
public struct BaseMatchError: DiagnosableError, Equatable {
  /// The base checkpoint.
  public let base: String
  /// One entry for each block at fault.
  public let faults: [Fault]

  /// Collects the faults.
  public init(base: String, faults: [Fault]) {
    self.base = base
    self.faults = faults
  }

  /// Content problems are bad data.
  public var failureKind: FailureKind { .badData }

  /// All faults in one line.
  public var description: String {
    "\(base.escapedForTerminal): \(faults.count) of the adapter's blocks "
      + "\(faults.count == 1 ? "does" : "do") not fit: "
      + faults.listed(separator: "; ", \.description)
      + (faults.allSatisfy(\.isMissing)
        ? "; is this the right base? fold --allow-unmatched leaves such blocks out, except under bw, "
          + "which needs every weight" : "")
  }

  /// Why one block does not fit.
  public enum Fault: Equatable, Sendable, CustomStringConvertible {
    /// The base has no such weight.
    case missing(block: TensorName, nearest: [String])
    /// The weight has another shape.
    case wrongShape(block: TensorName, weight: TensorName, found: [Int], expected: [Int])
    /// The weight is of a dtype that can't be folded into.
    case wrongDType(block: TensorName, weight: TensorName, found: DType, allowed: Set<DType>)
    /// Two blocks have the same weight.
    case sharedWeight(block: TensorName, other: TensorName, weight: TensorName)
    /// Several base weights have the name as the adapter spells it, with underscores for dots.
    case ambiguous(block: TensorName, weights: [TensorName])

    var isMissing: Bool { if case .missing = self { true } else { false } }

    /// The reason in words.
    public var description: String {
      switch self {
      case .missing(let block, let nearest):
        "block '\(block)' has no base weight"
          + (nearest.isEmpty ? "" : " (nearest: \(nearest.joined(separator: ", ")))")
      case .wrongShape(let block, let weight, let found, let expected):
        "block '\(block)': weight '\(weight)' has the wrong shape "
          + "(found \(found), expected \(expected))"
      case .wrongDType(let block, let weight, let found, let allowed):
        "block '\(block)': weight '\(weight)' can't be folded into "
          + "(found \(found.rawValue), expected \(Fault.words(allowed)))"
      case .sharedWeight(let block, let other, let weight):
        "blocks '\(other)' and '\(block)' both belong to weight '\(weight)'"
      case .ambiguous(let block, let weights):
        "block '\(block)' may belong to any of \(weights.listed { "'\($0)'" })"
      }
    }

    /// The widest first.
    private static func words(_ dtypes: Set<DType>) -> String {
      let order: [DType] = [.f64, .f32, .f16, .bf16]
      let names = (order.filter(dtypes.contains) + dtypes.subtracting(order).sorted().reversed())
        .map(\.rawValue)
      return names.count < 2
        ? names.joined()
        : names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
    }
  }
}
