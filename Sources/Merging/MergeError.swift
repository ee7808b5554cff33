public import Adapters
public import Tensors

/// Why an adapter can't be merged as asked.
public enum MergeError: DiagnosableError, Equatable {
  /// No method of that name.
  case unknownMethod(found: String)
  /// A method that the structure does not have.
  case notForStructure(method: String, structure: Structure)
  /// No method was named and nothing to go by is at hand.
  case nothingToGoBy(structure: Structure)
  /// `bi`, and a window that it uses is missing or empty.
  case missingWindows(blocks: [TensorName], kind: String)
  /// `bi`, and a window that it uses has the mean 0.
  case zeroWindows(blocks: [TensorName], kind: String)
  /// Merge factors that are infinite or NaN.
  case nonFiniteFactor(blocks: [TensorName])
  /// A method that is fitted on captured inputs, without them.
  case missingCalibration(method: String)
  /// Fewer captured tokens than a method needs.
  case tooFewTokens(source: String, found: Int, expected: Int)
  /// Captured inputs, for numbers of the published code, which has no such merge.
  case publishedCalibration(method: String)
  /// `bw` without base weights.
  case missingBase
  /// `bw`, and a merged weight that it divides by has the norm 0.
  case zeroNorm(block: TensorName)
  /// The published weight-based merge on a layer that is not square.
  case notSquare(block: TensorName, inFeatures: Int, outFeatures: Int)
  /// A block-shortcut block of scaling 0 whose predecessors' is not.
  case zeroScaling(block: TensorName)
  /// A NaN or an infinity in a base weight.
  case nonFiniteWeight(source: String, weight: TensorName)
  /// Statistics gathered elsewhere that do not go with the adapter; nil where they name no block.
  case badStatistics(block: TensorName?, problem: String)

  /// What the user asked for is usage; what the files hold is bad data.
  public var failureKind: FailureKind {
    switch self {
    case .unknownMethod, .notForStructure, .nothingToGoBy, .missingBase, .missingCalibration,
      .publishedCalibration:
      .usage
    case .tooFewTokens, .missingWindows, .zeroWindows, .nonFiniteFactor, .zeroNorm, .notSquare,
      .zeroScaling, .nonFiniteWeight, .badStatistics:
      .badData
    }
  }

  /// One line for the user.
  public var description: String {
    func list(_ blocks: [TensorName]) -> String {
      let shown = blocks.listed { "'\($0)'" }
      return blocks.count == 1 ? "block \(shown)" : "blocks \(shown)"
    }
    return switch self {
    case .unknownMethod(let found):
      "unknown merge method (found '\(found.escapedForTerminal)', expected one of "
        + "\(MergeMethods.all.map { $0.name }.joined(separator: ", ")))"
    case .notForStructure(let method, .plain):
      "the adapter is a plain LoRA, which has no shortcut to merge by '\(method)'; "
        + "leave --method out or pass --method none"
    case .notForStructure(let method, let structure):
      "'\(method)' is not for \(structure.title) adapters: no weights compute what their shortcut "
        + "does exactly; use --method bw (needs --base) or bi (needs norm windows)"
    case .nothingToGoBy(let structure):
      "no merge method named and nothing to choose one by for this \(structure.title) adapter: "
        + "pass --calibration FILE for calibrated, --base BASE for bw, --windows FILE for bi, or "
        + "--method none to drop the shortcut"
    case .missingWindows(let blocks, let kind):
      "\(list(blocks)): no \(kind) norm window, which this merge needs; pass --windows FILE"
    case .zeroWindows(let blocks, let kind):
      "\(list(blocks)): the \(kind) norm window has the mean 0, by which method bi would divide; "
        + "collect the norms again or use --method bw with --base"
    case .nonFiniteFactor(let blocks):
      "\(list(blocks)): the merge factor is not finite; are the norms or weights it comes from "
        + "right? --allow-nonfinite goes on"
    case .missingCalibration(let method):
      "method \(method) is fitted on captured inputs; pass --calibration FILE (activations, in "
        + "safetensors or HDF5)"
    case .tooFewTokens(let source, let found, let expected):
      "\(source.escapedForTerminal): too few calibration tokens (found \(found), expected at least \(expected)); capture more"
    case .publishedCalibration(let method):
      "the published code has no method \(method); leave --compat out"
    case .missingBase:
      "method bw needs the base weights; pass --base BASE (a safetensors file or folder)"
    case .zeroNorm(let block):
      "block '\(block)': its merged weight has the norm 0, by which method bw would divide; "
        + "is this the right base?"
    case .notSquare(let block, let inFeatures, let outFeatures):
      "block '\(block)': --compat lmops merges square layers only "
        + "(found \(inFeatures) in and \(outFeatures) out features); leave --compat out"
    case .zeroScaling(let block):
      "block '\(block)': its scaling is 0 and a predecessor's is not, which one LoRA can't hold"
    case .nonFiniteWeight(let source, let weight):
      "\(source.escapedForTerminal): tensor '\(weight)': not finite; "
        + "pass --allow-nonfinite to go on"
    case .badStatistics(let block, let problem):
      "statistics of base weights: \(block.map { "block '\($0)': " } ?? "")\(problem)"
    }
  }
}
