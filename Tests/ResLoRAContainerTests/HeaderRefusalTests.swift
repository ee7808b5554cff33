import FormatTestSupport
import ResLoRAContainer
import Tensors
import Testing

/// The header: Container §1.2, §2.
@Suite struct HeaderRefusalTests {
  private func edited(_ edit: @escaping (inout [UInt8]) -> Void) -> [UInt8] {
    var builder = ContainerBuilder.small
    builder.editHeader = edit
    return builder.bytes
  }

  @Test("80: other first bytes, and none", arguments: [[], [1], Array("{}      ".utf8), [0x89]])
  func magic(_ start: [UInt8]) throws {
    if start == [0x89] {
      try Refusal.expect([0x89, 0x50, 0x4E, 0x47], .notAContainer)
      return
    }
    try Refusal.expect(
      start, .notAContainer, line: "not a .reslora file [Container §2.1]")
    #expect(!ContainerFile.isContainer(prefix: start))
  }

  @Test(
    "80: line ends changed by a transfer",
    arguments: [
      [0x0A, 0x1A, 0x0A], [0x0D, 0x0A, 0x1A, 0x0D, 0x0A], [0x0D, 0x0D, 0x0A, 0x1A, 0x0D, 0x0A],
      [0x0D, 0x1A, 0x0D], [0x0D, 0x0A],
    ])
  func textTransfer(_ end: [UInt8]) throws {
    let bytes = [0x89, 0x52, 0x4C, 0x52] + end + ContainerBuilder.small.bytes[8...]
    try Refusal.expect(
      bytes, .damagedByTextTransfer,
      line: "damaged by a transfer in text mode, which changed line ends; transfer it as binary "
        + "[Container §2.1]")
    #expect(ContainerFile.isContainer(prefix: bytes))
  }

  @Test("a file cut inside the header", arguments: [4, 8, 9, 63])
  func cut(_ size: Int) throws {
    try Refusal.expect(
      Array(ContainerBuilder.small.bytes[..<size]), .tooShort(found: size),
      line: "too short for a header (found \(size) bytes, expected 64) [Container §2]")
  }

  @Test("84: each header byte flipped is found", arguments: 0..<64)
  func flippedByte(_ offset: Int) throws {
    let intact = ContainerBuilder.small.bytes
    let stated = UInt32(littleEndian(intact, 60))
    var bytes = intact
    bytes[offset] ^= 0xFF
    switch offset {
    case 0..<4: try Refusal.expect(bytes, .notAContainer)
    case 4..<8: try Refusal.expect(bytes, .damagedByTextTransfer)
    case 60..<64:
      try Refusal.expect(
        bytes, .headerChecksum(found: stated, expected: UInt32(littleEndian(bytes, 60))))
    default:
      try Refusal.expect(
        bytes,
        .headerChecksum(found: ContainerBuilder.crc(Array(bytes[..<60])), expected: stated))
    }
  }

  private func littleEndian(_ bytes: [UInt8], _ offset: Int) -> Int {
    (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
  }

  @Test("checksum in words")
  func checksumText() throws {
    let found = ContainerBuilder.crc(
      Array(edited { $0[8] = 7 }.prefix(60)))
    var bytes = ContainerBuilder.small.bytes
    bytes[8] = 7
    bytes.replaceSubrange(60..<64, with: [0xEF, 0xBE, 0, 0])
    let digits = String(found, radix: 16, uppercase: true)
    let padded = String(repeating: "0", count: 8 - digits.count) + digits
    try Refusal.expect(
      bytes, .headerChecksum(found: found, expected: 0xBEEF),
      line: "damaged header: wrong checksum (found 0x\(padded), expected 0x0000BEEF) "
        + "[Container §2]")
  }

  @Test("read versions that are not known", arguments: [0, 2, 0x201])
  func version(_ version: Int) throws {
    try Refusal.expect(
      edited {
        $0.replaceSubrange(8..<10, with: [0xFF, 0xFF])
        $0.replaceSubrange(10..<12, with: ContainerBuilder.number(version, 2))
      }, .unknownVersion(found: version),
      line: "needs a reader of another version (found \(version), this one knows 1) [Container §2]"
    )
  }

  @Test("a later write version is read, one below the read version is not")
  func writeVersion() throws {
    try Refusal.expect(
      edited { $0[8] = 0 }, .writeVersion(found: 0, readVersion: 1),
      line: "write version below the read version (found 0, expected at least 1) [Container §2]")
    try Opening.expectAccepted(edited { $0[9] = 3 })
  }

  @Test("81: required features that are not known", arguments: [0, 1, 33, 63])
  func requiredFeature(_ bit: Int) throws {
    let bits: UInt64 = 1 << UInt64(bit)
    try Refusal.expect(
      edited { $0[16 + bit / 8] = 1 << UInt8(bit % 8) }, .unknownFeatures(found: bits),
      line: "requires features that this reader does not know "
        + "(found bits 0x\(String(bits, radix: 16)), known are none) [Container §2]")
  }

  @Test("81: optional features are ignored", arguments: [24, 31])
  func optionalFeature(_ offset: Int) throws {
    try Opening.expectAccepted(edited { $0[offset] = 0x80 })
  }

  @Test("bytes that must be zero", arguments: [12, 13, 14, 15, 56, 57, 58, 59])
  func zeros(_ offset: Int) throws {
    try Refusal.expect(
      edited { $0[offset] = 1 }, .notZero(part: .header, offset: offset),
      line: "reserved byte of the header is not zero (at its byte \(offset)) [Container §2]")
  }

  @Test("a file longer or shorter than it says", arguments: [-40, -1, 1, 64])
  func length(_ more: Int) throws {
    let intact = ContainerBuilder.small.bytes
    let bytes =
      more < 0 ? Array(intact.dropLast(-more)) : intact + [UInt8](repeating: 0, count: more)
    try Refusal.expect(
      bytes, .wrongLength(found: bytes.count, expected: UInt64(intact.count)),
      line: "wrong length of the file (found \(bytes.count) bytes, expected \(intact.count)); "
        + "was it cut or joined to another? [Container §2]")
  }

  @Test("lengths and offsets near 2⁶⁴ are compared, not added")
  func hugeNumbers() throws {
    let size = ContainerBuilder.small.bytes.count
    for value: UInt64 in [.max, 1 << 63, 1 << 62] {
      let bytes = withUnsafeBytes(of: value.littleEndian) { Array($0) }
      try Refusal.expect(
        edited { $0.replaceSubrange(32..<40, with: bytes) },
        .wrongLength(found: size, expected: value))
      try Refusal.expect(
        edited { $0.replaceSubrange(40..<48, with: bytes) },
        .directoryPlace(found: value, expected: size - 160))
    }
  }

  @Test("a directory elsewhere")
  func directoryPlace() throws {
    let size = ContainerBuilder.small.bytes.count
    try Refusal.expect(
      edited { $0[40] ^= 0x40 },
      .directoryPlace(found: UInt64((size - 160) ^ 0x40), expected: size - 160),
      line: "directory does not end where the file ends (found offset \((size - 160) ^ 0x40), "
        + "expected \(size - 160)) [Container §3]")
    // One entry fewer, and as many as fit nowhere.
    try Refusal.expect(
      edited { $0[48] = 3 },
      .directoryPlace(found: UInt64(size - 160), expected: size - 120))
    try Refusal.expect(
      edited { $0.replaceSubrange(48..<52, with: ContainerBuilder.number(4_000_000, 4)) },
      .directoryPlace(found: UInt64(size - 160), expected: 0))
  }

  @Test("too many chunks", arguments: [4_000_001, 0xFFFF_FFFF])
  func chunkCount(_ count: Int) throws {
    try Refusal.expect(
      edited { $0.replaceSubrange(48..<52, with: ContainerBuilder.number(count, 4)) },
      .tooManyChunks(found: count),
      line: "too many chunks (found \(count), expected at most 4000000) [Container §1.2]")
  }

  @Test("no chunk at all")
  func noChunks() throws {
    var builder = ContainerBuilder.small
    builder.editChunks = { $0 = [] }
    try Refusal.expect(
      builder.bytes, .missing(.description), line: "no ADPT chunk (expected one) [Container §4.1]")
  }

  @Test("a directory that does not fit its checksum")
  func directoryChecksum() throws {
    var bytes = ContainerBuilder.small.bytes
    let stated = UInt32(littleEndian(bytes, 52))
    bytes[bytes.count - 1] = 1
    try Refusal.expect(
      bytes,
      .directoryChecksum(found: ContainerBuilder.crc(Array(bytes.suffix(160))), expected: stated))
  }
}
