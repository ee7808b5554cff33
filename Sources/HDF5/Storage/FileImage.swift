internal import ByteIO

/// A file with the sizes that its superblock sets; gives out checked pieces of it.
struct FileImage: Sendable {
  let file: ReadableFile
  /// Bytes of an address.
  let offsetSize: Int
  /// Bytes of a length.
  let lengthSize: Int

  /// The signature that a file begins with.
  static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

  /// Reads the superblock.
  ///
  /// - Throws: `LibraryFailure`, errors of reading.
  init(_ file: ReadableFile) throws {
    let head = try file.bytes(at: 0, count: min(file.size, 64))
    guard head.starts(with: FileImage.signature) else { throw LibraryFailure(.notHDF5) }
    var cursor = ByteCursor(head, what: "the superblock", at: FileImage.signature.count)
    let version = try cursor.number(1)
    switch version {
    case 0, 1: try cursor.skip(4)
    case 2, 3: break
    default: throw LibraryFailure(.unsupported("version \(version) of the superblock"))
    }
    offsetSize = try cursor.integer(1)
    lengthSize = try cursor.integer(1)
    guard [2, 4, 8].contains(offsetSize), [2, 4, 8].contains(lengthSize) else {
      throw LibraryFailure(
        .unsupported("addresses of \(offsetSize) and lengths of \(lengthSize) bytes"))
    }
    // Versions 0 and 1: a byte, two ranks of groups, flags; version 1 also those of chunks.
    try cursor.skip(version == 0 ? 9 : version == 1 ? 13 : 1)
    let base = try cursor.number(offsetSize)
    guard base == 0 else { throw LibraryFailure(.unsupported("a base address of \(base)")) }
    self.file = file
  }

  /// Bytes of the file.
  var size: Int { file.size }

  /// Whether an address stands for "none".
  func isUndefined(_ address: UInt64) -> Bool {
    address == (offsetSize == 8 ? .max : (1 << UInt64(8 * offsetSize)) - 1)
  }

  /// Checks that a range lies inside the file.
  func range(_ offset: UInt64, _ count: UInt64, what: String) throws(LibraryFailure) -> Range<Int> {
    let size = UInt64(file.size)
    guard offset <= size, count <= size - offset else {
      throw LibraryFailure(
        .beyondFile(what: what, offset: offset, count: count, size: file.size))
    }
    return Int(offset)..<Int(offset + count)
  }

  /// The bytes of a structure.
  func cursor(at offset: UInt64, count: Int, what: String) throws -> ByteCursor {
    let range = try range(offset, UInt64(count), what: what)
    return ByteCursor(try file.bytes(at: range.lowerBound, count: count), what: what)
  }
}

/// Reads the fields of a structure one after the other.
struct ByteCursor {
  let bytes: [UInt8]
  private(set) var position: Int
  private let what: String

  init(_ bytes: [UInt8], what: String, at position: Int = 0) {
    self.bytes = bytes
    self.what = what
    self.position = position
  }

  var remaining: Int { bytes.count - position }

  /// A failure that names the structure.
  func damaged(_ text: String) -> LibraryFailure { LibraryFailure(.damaged("\(what) \(text)")) }

  mutating func skip(_ count: Int) throws(LibraryFailure) {
    guard count >= 0, count <= remaining else { throw damaged("ends early") }
    position += count
  }

  /// A little-endian number of up to 8 bytes.
  mutating func number(_ size: Int) throws(LibraryFailure) -> UInt64 {
    guard size <= remaining else { throw damaged("ends early") }
    var value: UInt64 = 0
    for byte in 0..<size { value |= UInt64(bytes[position + byte]) << UInt64(8 * byte) }
    position += size
    return value
  }

  /// A number of up to 4 bytes.
  mutating func integer(_ size: Int) throws(LibraryFailure) -> Int { Int(try number(size)) }

  mutating func expect(signature: String) throws(LibraryFailure) {
    for expected in signature.utf8 {
      guard try number(1) == UInt64(expected) else { throw damaged("lacks its signature") }
    }
  }

  mutating func expect(_ field: String, _ size: Int, _ expected: UInt64) throws(LibraryFailure) {
    let found = try number(size)
    guard found == expected else {
      throw damaged("has another \(field) (found \(found), expected \(expected))")
    }
  }

  /// Compares the checksum that follows with that of all bytes before it.
  mutating func expectChecksum(from start: Int = 0) throws(LibraryFailure) {
    let computed = lookup3(bytes[start..<position])
    guard try number(4) == UInt64(computed) else { throw damaged("has a wrong checksum") }
  }
}

/// Bob Jenkins' lookup3 hash, which the newer structures of HDF5 end with.
func lookup3(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  func rotated(_ value: UInt32, _ count: UInt32) -> UInt32 {
    value << count | value >> (32 - count)
  }
  var a = UInt32(0xdead_beef) &+ UInt32(truncatingIfNeeded: bytes.count)
  var (b, c) = (a, a)
  var position = bytes.startIndex
  func word(_ offset: Int) -> UInt32 {
    var value: UInt32 = 0
    for byte in 0..<4 where position + offset + byte < bytes.endIndex {
      value |= UInt32(bytes[position + offset + byte]) << UInt32(8 * byte)
    }
    return value
  }
  while bytes.endIndex - position > 12 {
    a &+= word(0)
    b &+= word(4)
    c &+= word(8)
    a = (a &- c) ^ rotated(c, 4)
    c &+= b
    b = (b &- a) ^ rotated(a, 6)
    a &+= c
    c = (c &- b) ^ rotated(b, 8)
    b &+= a
    a = (a &- c) ^ rotated(c, 16)
    c &+= b
    b = (b &- a) ^ rotated(a, 19)
    a &+= c
    c = (c &- b) ^ rotated(b, 4)
    b &+= a
    position += 12
  }
  guard position < bytes.endIndex else { return c }
  a &+= word(0)
  b &+= word(4)
  c &+= word(8)
  c = (c ^ b) &- rotated(b, 14)
  a = (a ^ c) &- rotated(c, 11)
  b = (b ^ a) &- rotated(a, 25)
  c = (c ^ b) &- rotated(b, 16)
  a = (a ^ c) &- rotated(c, 4)
  b = (b ^ a) &- rotated(a, 14)
  c = (c ^ b) &- rotated(b, 24)
  return c
}
