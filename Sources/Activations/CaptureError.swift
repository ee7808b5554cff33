public import Tensors

/// Why captured inputs don't serve for an adapter.
public enum CaptureError: DiagnosableError, Equatable {
  /// Blocks of the adapter whose inputs are not in the file.
  case missingBlocks(source: String, blocks: [TensorName], nearest: [String])
  /// A block whose inputs have another number of features.
  case wrongWidth(source: String, block: TensorName, matrix: TensorName, found: Int, expected: Int)
  /// A file without tokens.
  case noTokens(source: String)
  /// Fewer tokens than are asked for.
  case tooFewTokens(source: String, found: Int, asked: Int)
  /// A NaN or an infinity.
  case nonFinite(source: String, matrix: TensorName, token: Int)

  /// What was asked for is usage; what the file holds is bad data.
  public var failureKind: FailureKind {
    if case .tooFewTokens = self { .usage } else { .badData }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .missingBlocks(let source, let blocks, let nearest):
      "\(source.escapedForTerminal): no inputs of \(blocks.count) "
        + "\(blocks.count == 1 ? "block" : "blocks"): " + blocks.listed { "'\($0)'" }
        + (nearest.isEmpty ? "" : "; nearest to the first: \(nearest.joined(separator: ", "))")
        + "; capture the inputs of every adapted linear of this very adapter"
    case .wrongWidth(let source, let block, let matrix, let found, let expected):
      "\(source.escapedForTerminal): tensor '\(matrix)': not the input of block '\(block)' "
        + "(found \(found) features, expected \(expected))"
    case .noTokens(let source):
      "\(source.escapedForTerminal): no tokens in it (found matrices of 0 rows)"
    case .tooFewTokens(let source, let found, let asked):
      "\(source.escapedForTerminal): fewer tokens than asked for (found \(found), expected at least "
        + "\(asked))"
    case .nonFinite(let source, let matrix, let token):
      "\(source.escapedForTerminal): tensor '\(matrix)': row \(token) is not finite; capture it "
        + "again, or pass --allow-nonfinite to go on"
    }
  }
}
