public import ByteIO
public import Tensors

/// Why a JSON file beside an adapter is refused: a config, a topology, norm windows.
public struct SidecarError: DiagnosableError, Equatable {
  /// The file.
  public let path: String
  /// What is wrong.
  public let reason: Reason

  /// Content problems are bad data.
  public var failureKind: FailureKind { .badData }

  /// `path: reason (found N, expected M)`
  public var description: String { "\(path.escapedForTerminal): \(reason)" }

  /// What can be wrong with such a file.
  public enum Reason: Equatable, Sendable, CustomStringConvertible {
    /// Not strict JSON.
    case json(JSONError)
    /// The top level is no object.
    case notAnObject
    /// A key that must be there is not.
    case missing(key: String, expected: String)
    /// A key's value is not what it has to be.
    case badValue(key: String, found: String, expected: String)
    /// A key that means nothing here.
    case unknownKey(String)
    /// A block that the adapter does not have.
    case unknownBlock(TensorName, nearest: [String])
    /// A block of the adapter that the file does not mention.
    case missingBlock(TensorName)
    /// A window longer than its capacity.
    case windowTooLong(block: TensorName, kind: String, found: Int, capacity: Int)
    /// A norm that is negative or not finite.
    case badNorm(block: TensorName, kind: String, found: String)
    /// Something the package does not compute truthfully, by name.
    case unsupported(String, advice: String)
    /// A number in the file that the tensors contradict.
    case contradicts(key: String, found: Int, tensor: TensorName, expected: Int)
    /// Tensors beside the file that belong to no known kind.
    case unexpectedTensors([TensorName])

    /// The reason in words.
    public var description: String {
      switch self {
      case .json(let error): "\(error)"
      case .notAnObject: "not a JSON object"
      case .missing(let key, let expected):
        "lacks '\(key.escapedForTerminal)' (expected \(expected))"
      case .badValue(let key, let found, let expected):
        "bad '\(key.escapedForTerminal)' (found \(found.escapedForTerminal), expected \(expected))"
      case .unknownKey(let key): "unknown key '\(key.escapedForTerminal)'"
      case .unknownBlock(let block, let nearest):
        "block '\(block)' is not in the adapter"
          + (nearest.isEmpty ? "" : " (nearest: \(nearest.joined(separator: ", ")))")
      case .missingBlock(let block): "block '\(block)' of the adapter is missing"
      case .windowTooLong(let block, let kind, let found, let capacity):
        "block '\(block)': \(kind) window too long (found \(found), expected at most \(capacity))"
      case .badNorm(let block, let kind, let found):
        "block '\(block)': bad norm in the \(kind) window (found \(found.escapedForTerminal), "
          + "expected a finite number from 0 on)"
      case .unsupported(let what, let advice): "\(what.escapedForTerminal); \(advice)"
      case .contradicts(let key, let found, let tensor, let expected):
        "'\(key)' contradicts tensor '\(tensor)' (found \(found), expected \(expected))"
      case .unexpectedTensors(let names):
        "\(names.count) \(names.count == 1 ? "tensor is" : "tensors are") no part of the adapter it "
          + "describes: \(names.listed { "'\($0)'" })"
      }
    }
  }
}
