/// A tensor's name, compared by its UTF-8 bytes.
///
/// Swift's `String` equates canonically equivalent spellings ("é" composed and decomposed); two
/// tensors of a file may differ in nothing else, so a `String` must never be a key.
public struct TensorName: Sendable, Hashable {
  /// The name as text.
  public let string: String

  /// Wraps a name.
  public init(_ string: String) { self.string = string }

  /// Equal when the UTF-8 bytes are.
  public static func == (left: TensorName, right: TensorName) -> Bool {
    left.string.utf8.elementsEqual(right.string.utf8)
  }

  /// Hashes the UTF-8 bytes.
  public func hash(into hasher: inout Hasher) {
    var copy = string
    copy.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension TensorName: Comparable {
  /// In the order of the UTF-8 bytes.
  public static func < (left: TensorName, right: TensorName) -> Bool {
    left.string.utf8.lexicographicallyPrecedes(right.string.utf8)
  }
}

extension TensorName: CustomStringConvertible {
  /// The name with control characters escaped, for a terminal.
  public var description: String { string.escapedForTerminal }
}

extension TensorName: ExpressibleByStringLiteral {
  /// A name from a literal.
  public init(stringLiteral value: String) { self.init(value) }
}
