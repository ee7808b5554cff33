public import ByteIO
public import Tensors

/// A rule of the Spec that the description, the layout or the tensors of an adapter break.
public struct ContentError: RuleViolation, Equatable {
  /// The file.
  public let path: String
  /// Whose part of it: "block 'x'"; nil for the whole.
  public let owner: String?
  /// The rule.
  public let rule: String
  /// What is wrong.
  public let reason: Reason

  /// Content problems are bad data.
  public var failureKind: FailureKind { .badData }

  /// `path: block 'x': reason (found N, expected M)`
  public var description: String {
    "\(path.escapedForTerminal): \(owner.map { "\($0): " } ?? "")\(reason) [\(rule)]"
  }

  /// What can be wrong.
  public enum Reason: Equatable, Sendable, CustomStringConvertible {
    /// The description is not strict JSON.
    case json(JSONError)
    /// The description is no JSON object.
    case notAnObject
    /// A value that must be there is not.
    case missing(key: String, expected: String)
    /// A value is not what it has to be.
    case badValue(key: String, found: String, expected: String)
    /// A version this reader does not know.
    case unknownVersion(found: Int, known: Int)
    /// A key that means nothing here.
    case unknownKey(String)
    /// An object or attribute that the layout does not name.
    case unknownObject(String)
    /// A name that is empty, too long or has U+0000 in it.
    case badName(String)
    /// Two blocks of one name.
    case duplicateBlock
    /// A predecessor that is no block.
    case unknownPredecessor(TensorName)
    /// Statistics with the A of a block that is neither the own one nor a predecessor.
    case strangeCross(TensorName)
    /// A norm that is negative or not finite.
    case badNorm(window: String, found: String)
    /// A window longer than its capacity.
    case windowTooLong(window: String, found: Int, capacity: Int)
    /// A metadata key that is empty, or a text with U+0000 in it.
    case badMetadata(key: String)
    /// A key of metadata that is stated twice, in different places.
    case repeatedMetadata(key: String)
    /// More metadata than a reader takes.
    case tooMuchMetadata(found: Int)
    /// A tensor that must be there is not.
    case missingTensor(TensorName)
    /// Tensors that belong to no block.
    case unexpectedTensors([TensorName])
    /// Tensors in another order than the description's blocks.
    case unorderedTensors
    /// Positions of blocks that are not 0 to n − 1.
    case badPositions(found: [Int])
    /// A link's name with a `%` that is no escape.
    case badEscape(String)
    /// An object of a kind that has no place here.
    case misplaced(String, expected: String)

    /// The reason in words.
    public var description: String {
      switch self {
      case .json(let error): "description: \(error)"
      case .notAnObject: "the description is not a JSON object"
      case .missing(let key, let expected):
        "lacks '\(key.escapedForTerminal)' (expected \(expected))"
      case .badValue(let key, let found, let expected):
        "bad '\(key.escapedForTerminal)' (found \(found.escapedForTerminal), expected \(expected))"
      case .unknownVersion(let found, let known):
        "version of another time (found \(found), expected \(known)); a newer release may read it"
      case .unknownKey(let key): "unknown key '\(key.escapedForTerminal)', which is ignored"
      case .unknownObject(let name): "\(name.escapedForTerminal) is no part of it and is ignored"
      case .badName(let name):
        "bad name '\(name.escapedForTerminal)' (expected 1 to 4096 bytes without U+0000)"
      case .duplicateBlock: "stands twice in the adapter"
      case .unknownPredecessor(let name): "predecessor is not in the adapter (found '\(name)')"
      case .strangeCross(let name):
        "statistics name a block that is no predecessor (found '\(name)')"
      case .badNorm(let window, let found):
        "bad norm in the \(window) window (found \(found.escapedForTerminal), expected a finite "
          + "number from 0 on)"
      case .windowTooLong(let window, let found, let capacity):
        "\(window) window too long (found \(found), expected at most \(capacity))"
      case .badMetadata(let key):
        "bad metadata '\(key.escapedForTerminal)' (expected a key that is not empty, no U+0000)"
      case .repeatedMetadata(let key): "metadata '\(key.escapedForTerminal)' is stated twice"
      case .tooMuchMetadata(let found):
        "too much metadata (found \(found) bytes, expected at most "
          + "\(TextRules.maximumMetadataBytes))"
      case .missingTensor(let name): "tensor '\(name)' is not in the file"
      case .unexpectedTensors(let names):
        "\(names.count) \(names.count == 1 ? "tensor belongs" : "tensors belong") to no block: "
          + names.listed { "'\($0)'" }
      case .unorderedTensors: "tensors are not in the order of the blocks"
      case .badPositions(let found):
        "the blocks' positions are not 0 to n − 1 (found \(found.prefix(20)))"
      case .badEscape(let name):
        "bad escape in the name '\(name.escapedForTerminal)' (expected % and two hexadecimal digits)"
      case .misplaced(let what, let expected):
        "\(what.escapedForTerminal) has no place here (expected \(expected))"
      }
    }
  }
}
