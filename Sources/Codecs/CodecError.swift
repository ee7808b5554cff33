/// Why stored bytes do not decode.
public enum CodecError: Error, Equatable, Sendable {
  /// The stream is damaged, or of another kind.
  case damaged(String)
  /// The stream holds more or less than was promised.
  case wrongSize(expected: Int)
  /// Stored bytes are left after the end of the stream.
  case trailingBytes(found: Int)
  /// A zstd window beyond the limit.
  case windowTooLarge(found: Int, limit: Int)
}

extension CodecError: CustomStringConvertible {
  /// The reason in words.
  public var description: String {
    switch self {
    case .damaged(let what): what
    case .wrongSize(let expected): "it does not decode to the declared \(expected) bytes"
    case .trailingBytes(let found): "\(found) stored bytes are left after its end"
    case .windowTooLarge(let found, let limit):
      "window too large (found \(found) bytes, expected at most \(limit))"
    }
  }
}
