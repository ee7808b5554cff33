/// The bytes in which one process tells another what a file holds: whole numbers in 7-bit groups,
/// low ones first, and byte strings with their length before them.
///
/// ```
/// message  "RLH5LST1" (0 object | 1 failure) 0x55
/// object   kind address attributes …
/// ```
/// What follows a kind is in `Lister` and `ListingReader`, which change together; both ends are
/// the same program.
struct ListingWriter {
  static let signature: [UInt8] = Array("RLH5LST1".utf8)
  static let end: UInt8 = 0x55

  private(set) var bytes: [UInt8] = []
  private let limit: Int

  /// Starts a message of at most `limit` bytes.
  init(limit: Int) { self.limit = limit }

  /// Whether the message is beyond its limit.
  var isTooLong: Bool { bytes.count > limit }

  mutating func put(byte: UInt8) { bytes.append(byte) }

  mutating func put(_ number: UInt64) {
    var rest = number
    while rest > 0x7f {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func put(_ number: Int) { put(UInt64(bitPattern: Int64(number))) }

  mutating func put(_ content: some Collection<UInt8>) {
    put(content.count)
    bytes.append(contentsOf: content)
  }

  mutating func put(_ text: String) { put(Array(text.utf8)) }

  /// Makes the whole message from what `body` puts.
  static func message(limit: Int, _ body: (inout ListingWriter) throws -> Void) rethrows
    -> [UInt8]
  {
    var writer = ListingWriter(limit: limit)
    writer.bytes = signature
    try body(&writer)
    writer.bytes.append(end)
    return writer.bytes
  }
}

/// Takes a message apart without believing any of it.
struct ListingReader {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  static func nonsense(_ text: String) -> LibraryFailure { LibraryFailure(.workerMessage(text)) }

  var remaining: Int { bytes.count - position }

  mutating func byte() throws(LibraryFailure) -> UInt8 {
    guard position < bytes.count else { throw ListingReader.nonsense("it ends early") }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func number() throws(LibraryFailure) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      guard shift < 63 || (shift == 63 && next <= 1) else {
        throw ListingReader.nonsense("a number is too large")
      }
      value |= UInt64(next & 0x7f) << shift
      if next & 0x80 == 0 { return value }
      shift += 7
    }
  }

  mutating func integer() throws(LibraryFailure) -> Int {
    Int(Int64(bitPattern: try number()))
  }

  /// A number of things that take at least a byte each.
  mutating func count() throws(LibraryFailure) -> Int {
    let value = try number()
    guard value <= UInt64(remaining) else { throw ListingReader.nonsense("it ends early") }
    return Int(value)
  }

  mutating func content() throws(LibraryFailure) -> [UInt8] {
    let count = try count()
    defer { position += count }
    return Array(bytes[position..<(position + count)])
  }

  mutating func text() throws(LibraryFailure) -> String {
    String(decoding: try content(), as: UTF8.self)
  }

  mutating func expectSignature() throws(LibraryFailure) {
    for expected in ListingWriter.signature {
      guard try byte() == expected else {
        throw ListingReader.nonsense("it does not begin as it should")
      }
    }
  }

  mutating func expectEnd() throws(LibraryFailure) {
    guard try byte() == ListingWriter.end, remaining == 0 else {
      throw ListingReader.nonsense("it does not end as it should")
    }
  }
}
