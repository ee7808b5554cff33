internal import Tensors

/// Why a text is not strict JSON, and where.
public struct JSONError: Error, Equatable, CustomStringConvertible {
  /// What is wrong.
  public let reason: Reason
  /// The byte it was found at.
  public let offset: Int

  /// Describes a failure.
  package init(reason: Reason, offset: Int) {
    self.reason = reason
    self.offset = offset
  }

  /// The ways a text can fail to be JSON.
  public enum Reason: Equatable, Sendable {
    /// The text ended inside a value.
    case unexpectedEnd
    /// Something else stands where a token was expected.
    case unexpected(expected: String)
    /// Arrays and objects nest deeper than allowed.
    case tooDeep(limit: Int)
    /// A string that is not UTF-8, or an escape of half a surrogate pair.
    case notUTF8
    /// A control character inside a string, or an unknown escape.
    case badString
    /// Not a JSON number.
    case badNumber
    /// More values than a text that is kept whole may have (`ReadingLimits.headerBytes`).
    case tooManyValues(limit: Int)
    /// A key that stands twice in one object, however it is escaped.
    case duplicateKey(String)
    /// Text after the end of the value.
    case trailingText
    /// The file starts with a byte-order mark or is UTF-16.
    case byteOrderMark
  }

  /// The reason and the offset in words.
  public var description: String {
    switch reason {
    case .unexpectedEnd: "not valid JSON: the text ends too early (at byte \(offset))"
    case .unexpected(let expected): "not valid JSON: expected \(expected) at byte \(offset)"
    case .tooDeep(let limit): "JSON nests too deeply (expected at most \(limit) levels)"
    case .notUTF8: "not valid UTF-8 (at byte \(offset))"
    case .badString: "not valid JSON: bad character or escape in a string (at byte \(offset))"
    case .badNumber: "not valid JSON: malformed number (at byte \(offset))"
    case .tooManyValues(let limit):
      "too many JSON values (expected at most \(limit)); a larger --max-header accepts more"
    case .duplicateKey(let key):
      "duplicate key '\(key.escapedForTerminal)' in JSON (at byte \(offset))"
    case .trailingText: "not valid JSON: text after the end (at byte \(offset))"
    case .byteOrderMark: "expected UTF-8 without a byte-order mark"
    }
  }
}
