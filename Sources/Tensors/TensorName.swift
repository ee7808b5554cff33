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
    guard left.string.utf8.count == right.string.utf8.count else { return false }
    return unsafe left.withBytes { left in
      unsafe right.withBytes { right in unsafe left.firstDifference(from: right) == nil }
    }
  }

  /// Hashes the UTF-8 bytes.
  public func hash(into hasher: inout Hasher) {
    unsafe withBytes { unsafe hasher.combine(bytes: $0) }
  }

  private func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    var copy = string
    return copy.withUTF8 { unsafe body(UnsafeRawBufferPointer($0)) }
  }
}

extension TensorName: Comparable {
  /// In the order of the UTF-8 bytes.
  public static func < (left: TensorName, right: TensorName) -> Bool {
    unsafe left.withBytes { left in
      unsafe right.withBytes { right in
        guard let (a, b) = unsafe left.firstDifference(from: right) else {
          return left.count < right.count
        }
        return a < b
      }
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Numbers in the order of the first bytes that differ, of those that both have; nil where none
  /// does. A checkpoint has a hundred thousand names that begin alike: they are compared by words.
  fileprivate func firstDifference(from other: UnsafeRawBufferPointer) -> (UInt64, UInt64)? {
    let count = Swift.min(count, other.count)
    var offset = 0
    while offset + 8 <= count {
      let own = unsafe loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let others = unsafe other.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      if own != others { return (UInt64(bigEndian: own), UInt64(bigEndian: others)) }
      offset += 8
    }
    while offset < count {
      let (own, others) = unsafe (self[offset], other[offset])
      if own != others { return (UInt64(own), UInt64(others)) }
      offset += 1
    }
    return nil
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
