internal import Codecs
public import Tensors

/// Why an undo file is refused, can't be written, or does not restore the base.
public struct UndoError: RuleViolation, Equatable {
  /// The file at fault: the undo file, or the checkpoint or file that a problem is about.
  public let path: String
  /// What is wrong.
  public let problem: Problem

  /// What can be wrong.
  public enum Problem: Sendable, Equatable {
    /// No undo file at all.
    case notAnUndoFile
    /// Line ends were changed by a transfer in text mode.
    case damagedByTextTransfer
    /// The file is longer or shorter than it says.
    case wrongLength(found: Int, expected: UInt64)
    /// A checksum that does not fit its part.
    case checksum(part: String)
    /// A version that this tool does not know.
    case unknownVersion(found: Int)
    /// Required features that this tool does not know.
    case unknownFeatures(found: UInt64)
    /// A chunk that a reader must know.
    case unknownChunk(type: String)
    /// More of something than the limits allow.
    case tooMany(String, found: Int, limit: Int)
    /// A rule of the format that the file breaks.
    case malformed(String, rule: String)
    /// A difference that does not decompress.
    case undecodable(chunk: Int, reason: String)
    /// The base's tensor is missing in the folded checkpoint.
    case missingTensor(TensorName)
    /// The folded checkpoint's tensor has another dtype or shape.
    case differentTensor(TensorName, found: String, expected: String)
    /// The restored file is not the one that was folded.
    case notRestored(file: String, found: String, expected: String)
    /// A base that the format can't describe.
    case notDescribable(String)
  }

  /// Says what is wrong with a file.
  public init(path: String, problem: Problem) {
    self.path = path
    self.problem = problem
  }

  /// All of it is about what files hold.
  public var failureKind: FailureKind { .badData }

  /// The section of the Spec, as "Undo §3".
  public var rule: String {
    switch problem {
    case .notAnUndoFile, .damagedByTextTransfer: "Undo §2.1"
    case .wrongLength, .unknownVersion, .unknownFeatures: "Undo §2"
    case .checksum: "Undo §2.2"
    case .unknownChunk: "Undo §3.1"
    case .tooMany, .notDescribable: "Undo §1.2"
    case .malformed(_, let section): "Undo \(section)"
    case .undecodable: "Undo §3.2"
    case .missingTensor, .differentTensor, .notRestored: "Undo §5"
    }
  }

  /// `path: reason (found N, expected M) [Undo §3]`
  public var description: String { "\(path.escapedForTerminal): \(reason) [\(rule)]" }

  private var reason: String {
    let renew = "; take another copy of the undo file"
    return switch problem {
    case .notAnUndoFile: "no undo file (expected what fold --undo writes)"
    case .damagedByTextTransfer: "undo file damaged by a transfer in text mode\(renew)"
    case .wrongLength(let found, let expected):
      "undo file cut short or extended (found \(found) bytes, expected \(expected))\(renew)"
    case .checksum(let part): "undo file damaged: wrong checksum of the \(part)\(renew)"
    case .unknownVersion(let found):
      "undo file of another version (found \(found), expected \(UndoFormat.version)); "
        + "use a newer resloratool"
    case .unknownFeatures(let found):
      "undo file that needs features this version does not know "
        + "(found bits \(String(found, radix: 16))); use a newer resloratool"
    case .unknownChunk(let type):
      "undo file with a part this version does not know (found '\(type.escapedForTerminal)'); "
        + "use a newer resloratool"
    case .tooMany(let what, let found, let limit):
      "too many \(what) (found \(found), expected at most \(limit))"
    case .malformed(let what, _): "malformed undo file: \(what.escapedForTerminal)"
    case .undecodable(let chunk, let reason): "undo file: chunk \(chunk): \(reason)"
    case .missingTensor(let name):
      "tensor '\(name)' of the base is missing; name the checkpoint that this undo file was "
        + "written with"
    case .differentTensor(let name, let found, let expected):
      "tensor '\(name)' is not the base's (found \(found), expected \(expected)); name the "
        + "checkpoint that this undo file was written with"
    case .notRestored(let file, let found, let expected):
      "'\(file.escapedForTerminal)' can't be restored: the result is not the base (found SHA-256 "
        + "\(found), expected \(expected)); the folded checkpoint was modified since it was "
        + "written, or the undo file belongs to another fold"
    case .notDescribable(let what):
      "no undo file can be written for this base: \(what.escapedForTerminal)"
    }
  }
}
