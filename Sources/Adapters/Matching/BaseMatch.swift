public import Tensors

/// Which base weight belongs to which block (Merging §6.3).
public struct BaseMatch: Sendable {
  /// The prefix taken off block names and the one put before them instead.
  public let substitution: Substitution
  /// Each block's weight by its position in the base; nil where it has none and that is allowed.
  public let weights: [Int?]

  /// A change of prefix.
  public struct Substitution: Sendable, Equatable {
    /// What is taken off the front of a block's name.
    public let stripped: String
    /// What is put there instead.
    public let added: String

    /// The change in words.
    public var description: String {
      switch (stripped.isEmpty, added.isEmpty) {
      case (true, true): "as they are"
      case (false, true): "without '\(stripped)'"
      case (true, false): "with '\(added)' before them"
      case (false, false): "'\(stripped)' replaced by '\(added)'"
      }
    }

    func apply(_ block: TensorName) -> TensorName? {
      // In bytes: a dot and a combining mark after it are one character.
      guard block.string.utf8.starts(with: stripped.utf8) else { return nil }
      let rest = block.string.utf8.dropFirst(stripped.utf8.count)
      return TensorName(added + String(decoding: rest, as: UTF8.self) + ".weight")
    }
  }

  /// What a name may begin with in one place and not in another.
  private static let prefixes = [
    "", "base_model.model.", "model.", "transformer.", "bert.", "module.",
  ]

  /// The most comparisons of names that looking for the nearest ones may take.
  private static let maximumComparisons = 500_000

  /// What matching needs to know of a block.
  public struct Wanted: Sendable {
    /// The block's name.
    public let name: TensorName
    /// The shape its weight must have, [out, in].
    public let shape: [Int]

    init(name: TensorName, shape: [Int]) {
      self.name = name
      self.shape = shape
    }

    /// Describes a block of a plain LoRA.
    public init(_ block: PlainBlock) {
      name = block.name
      shape = [block.outFeatures, block.inFeatures]
    }

    /// Describes a block of an adapter.
    public init(_ block: Block) {
      name = block.name
      shape = [block.outFeatures, block.inFeatures]
    }
  }

  /// Finds the substitution that matches most blocks and checks every weight's shape and dtype.
  ///
  /// - Parameter allowingUnmatched: whether blocks without a weight are left out instead.
  /// - Throws: `BaseMatchError` that lists every block at fault; where not one block matches, even
  ///   if unmatched blocks are allowed.
  public init(
    _ wanted: [Wanted], in base: any TensorSource, allowingUnmatched: Bool
  ) throws(BaseMatchError) {
    var best = Substitution(stripped: "", added: "")
    var bestCount = -1
    for stripped in BaseMatch.prefixes {
      for added in BaseMatch.prefixes where added != stripped || added.isEmpty {
        let candidate = Substitution(stripped: stripped, added: added)
        let count = wanted.reduce(0) { sum, block in
          sum + (candidate.apply(block.name).flatMap(base.index(of:)) == nil ? 0 : 1)
        }
        if count > bestCount { (best, bestCount) = (candidate, count) }
      }
    }
    substitution = best
    let candidates = base.tensors.map(\.name)
    // Where thousands of blocks have no weight, the first will do to see why.
    var searches = max(20, BaseMatch.maximumComparisons / max(1, candidates.count))
    var faults: [BaseMatchError.Fault] = []
    var owners: [Int: TensorName] = [:]
    var weights: [Int?] = []
    for block in wanted {
      guard let index = best.apply(block.name).flatMap(base.index(of:)) else {
        weights.append(nil)
        if !allowingUnmatched || bestCount == 0 {
          searches -= 1
          let nearest =
            searches < 0
            ? []
            : NameDistance.nearest(
              to: TensorName(block.name.string + ".weight"), among: candidates)
          faults.append(.missing(block: block.name, nearest: nearest))
        }
        continue
      }
      let info = base.tensors[index]
      if info.shape != block.shape {
        faults.append(
          .wrongShape(
            block: block.name, weight: info.name, found: info.shape, expected: block.shape))
      } else if !info.dtype.isArithmetic {
        faults.append(.wrongDType(block: block.name, weight: info.name, found: info.dtype))
      } else if let owner = owners.updateValue(block.name, forKey: index) {
        faults.append(.sharedWeight(block: block.name, other: owner, weight: info.name))
      }
      weights.append(index)
    }
    guard faults.isEmpty else { throw BaseMatchError(base: base.label, faults: faults) }
    self.weights = weights
  }

  /// Number of blocks that have a weight.
  public var matchedCount: Int { weights.reduce(0) { $0 + ($1 == nil ? 0 : 1) } }
}

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
    case wrongDType(block: TensorName, weight: TensorName, found: DType)
    /// Two blocks have the same weight.
    case sharedWeight(block: TensorName, other: TensorName, weight: TensorName)

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
      case .wrongDType(let block, let weight, let found):
        "block '\(block)': weight '\(weight)' can't be folded into "
          + "(found \(found.rawValue), expected F64, F32, F16 or BF16)"
      case .sharedWeight(let block, let other, let weight):
        "blocks '\(other)' and '\(block)' both belong to weight '\(weight)'"
      }
    }
  }
}
