import FormatTestSupport
import ResLoRAContainer
import Tensors
import Testing

/// Entries of the directory and their order: Container §1, §3, §4.1.
@Suite struct DirectoryRefusalTests {
  private typealias Subject = ContainerError.Subject

  private func edited(_ edit: @escaping (inout [UInt8]) -> Void) -> [UInt8] {
    var builder = ContainerBuilder.small
    builder.editDirectory = edit
    return builder.bytes
  }

  private func chunks(_ edit: @escaping (inout [ContainerBuilder.Chunk]) -> Void) -> [UInt8] {
    var builder = ContainerBuilder.small
    builder.editChunks = edit
    return builder.bytes
  }

  @Test("types that are not four letters")
  func type() throws {
    try Refusal.expect(
      edited { $0[41] = 0x1B }, .badType(found: [0x44, 0x1B, 0x54, 0x41]), Subject(chunk: 1),
      line: "chunk 1: bad chunk type (found 0x44 0x1B 0x54 0x41, expected four ASCII letters) "
        + "[Container §3]")
    try Refusal.expect(
      edited { $0[40] = 0xC4 }, .badType(found: [0xC4, 0x41, 0x54, 0x41]), Subject(chunk: 1))
  }

  @Test("83: an unknown critical chunk", arguments: ["DATB", "Data", "XXXX"])
  func critical(_ name: String) throws {
    let type = try #require(ChunkType(name))
    try Refusal.expect(
      chunks { $0.append(.init(name, [1, 2])) }, .unknownCriticalChunk,
      Subject(chunk: 4, type: type),
      line: "chunk 4 (\(name)): chunk type that this reader does not know and has to "
        + "[Container §3.1]")
  }

  @Test("82: unknown ancillary chunks are accepted", arguments: ["data", "xYZz"])
  func ancillary(_ name: String) throws {
    try Opening.expectAccepted(chunks { $0.append(.init(name, [1, 2])) })
  }

  @Test("unknown compression", arguments: [3, 255])
  func compression(_ code: UInt8) throws {
    try Refusal.expect(
      edited { $0[44] = code }, .unknownCompression(found: Int(code)), ContainerBuilder.data1,
      line: "chunk 1 (DATA): unknown compression (found \(code), expected 0, 1 or 2) [Container §3]"
    )
  }

  @Test("bad shuffle", arguments: [0, 3, 16, 255])
  func shuffle(_ width: UInt8) throws {
    try Refusal.expect(
      edited { $0[45] = width }, .badShuffle(found: Int(width)), ContainerBuilder.data1,
      line: "chunk 1 (DATA): bad shuffle (found \(width), expected 1, 2, 4 or 8) [Container §3]")
  }

  @Test("bytes that must be zero", arguments: [6, 7, 36, 37, 38, 39])
  func zeros(_ offset: Int) throws {
    try Refusal.expect(
      edited { $0[40 + offset] = 1 }, .notZero(part: .entry, offset: offset),
      ContainerBuilder.data1)
  }

  @Test(
    "offsets: holes, overlaps, numbers near 2⁶⁴",
    arguments: [64, 192, 0, UInt64.max, 0x8000_0000_0000_0000])
  func offset(_ offset: UInt64) throws {
    let bytes = withUnsafeBytes(of: offset.littleEndian) { Array($0) }
    try Refusal.expect(
      edited { $0.replaceSubrange(48..<56, with: bytes) },
      .wrongOffset(found: offset, expected: 128), ContainerBuilder.data1)
  }

  @Test("a gap of whole lines before a chunk and before the directory")
  func gaps() throws {
    try Refusal.expect(
      chunks { $0[1].padding = [UInt8](repeating: 0, count: 48 + 64) },
      .wrongOffset(found: 256, expected: 192), Subject(chunk: 2, type: .data),
      line: "chunk 2 (DATA): wrong offset (found 256, expected 192) [Container §1.1]")
    let size = ContainerBuilder.small.bytes.count - 160
    try Refusal.expect(
      chunks {
        let last = $0.count - 1
        $0[last].padding = [UInt8](
          repeating: 0, count: 128 - $0[last].stored.count % 64)
      }, .wrongOffset(found: UInt64(size + 64), expected: size))
  }

  @Test(
    "stored lengths beyond the chunks", arguments: [0x10_0000, UInt64.max, 0x8000_0000_0000_0000])
  func storedLength(_ length: UInt64) throws {
    let available = ContainerBuilder.small.bytes.count - 160 - 128
    let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) }
    try Refusal.expect(
      edited { $0.replaceSubrange(56..<64, with: bytes) },
      .storedBeyondChunks(found: length, available: available), ContainerBuilder.data1,
      line: "chunk 1 (DATA): stored bytes reach beyond the chunks (found length \(length), "
        + "expected at most \(available)) [Container §3]")
  }

  @Test("raw lengths over 16 MiB", arguments: [16_777_217, UInt64.max])
  func rawLength(_ length: UInt64) throws {
    let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) }
    try Refusal.expect(
      edited { $0.replaceSubrange(64..<72, with: bytes) }, .rawTooLarge(found: length),
      ContainerBuilder.data1,
      line: "chunk 1 (DATA): raw length too large (found \(length), expected at most 16777216) "
        + "[Container §1.2]")
  }

  @Test("uncompressed with two lengths, compressed without gain")
  func lengths() throws {
    try Refusal.expect(
      chunks { $0[1].raw = 15 }, .lengthsDiffer(stored: 16, raw: 15), ContainerBuilder.data1,
      line: "chunk 1 (DATA): uncompressed and of another stored than raw length (found 16, "
        + "expected 15) [Container §3.2]")
    for compression: UInt8 in [1, 2] {
      try Refusal.expect(
        chunks { $0[1].compression = compression }, .compressedNotSmaller(stored: 16, raw: 16),
        ContainerBuilder.data1,
        line: "chunk 1 (DATA): compressed and no smaller (found 16 stored bytes, expected fewer "
          + "than 16) [Container §3.2]")
    }
  }

  @Test("shuffled where there are no elements, and partial elements")
  func shuffled() throws {
    try Refusal.expect(
      chunks {
        $0[0].stored = Array(#"{"a":123}   "#.utf8)
        $0[0].shuffle = 4
      }, .shuffledOther, Subject(chunk: 0, type: .description),
      line: "chunk 0 (ADPT): shuffled (expected in DATA chunks alone) [Container §3.3]")
    try Refusal.expect(
      chunks { $0[2].shuffle = 4 }, .shuffledPartialElements(raw: 6, width: 4),
      Subject(chunk: 2, type: .data),
      line: "chunk 2 (DATA): shuffled and no whole number of elements (found raw length 6, "
        + "expected a multiple of 4) [Container §3.3]")
  }

  @Test("chunks out of order, twice or missing")
  func order() throws {
    try Refusal.expect(
      chunks { $0.swapAt(0, 1) }, .misplaced, Subject(chunk: 0, type: .data),
      line: "chunk 0 (DATA): out of order (expected all ADPT, all DATA, all TENS, then ancillary "
        + "chunks) [Container §4.1]")
    try Refusal.expect(
      chunks { $0.insert($0[0], at: 2) }, .misplaced, Subject(chunk: 2, type: .description))
    try Refusal.expect(
      chunks { $0 += [.init("note", []), $0[3]] }, .misplaced, Subject(chunk: 5, type: .tensors))
    try Refusal.expect(
      chunks { $0.swapAt(2, 3) }, .misplaced, Subject(chunk: 3, type: .data))
    try Refusal.expect(
      chunks { $0.insert(.init("note", []), at: 1) }, .misplaced,
      Subject(chunk: 1, type: ChunkType("note")))
    try Refusal.expect(chunks { $0.remove(at: 0) }, .missing(.description))
    try Refusal.expect(
      chunks { $0.remove(at: 3) }, .missing(.tensors),
      line: "no TENS chunk (expected one) [Container §4.1]")
  }
}
