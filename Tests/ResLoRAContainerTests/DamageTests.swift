import ByteIO
import FormatTestSupport
import ResLoRAContainer
import Tensors
import TestSupport
import Testing

/// Damage anywhere in a file is found, or changes nothing.
@Suite struct DamageTests {
  /// A small file with all kinds of chunks: zstd and zlib, shuffled and not, uncompressed, padded
  /// and not, of four dtypes, empty and ancillary.
  private static let everything: [UInt8] = {
    var builder = ContainerBuilder()
    builder.description = Array(#"{"format":"reslora-adapter","é":"日"}"#.utf8)
    let repeats = (0..<128).map { UInt8($0 % 2) }
    builder.tensors = [
      .init(
        "zstd", shape: [64], raw: [UInt8](repeating: 0, count: 256),
        chunks: [
          .init(
            "DATA", [0x28, 0xB5, 0x2F, 0xFD, 0x60, 0, 0, 3, 8, 0, 0], compression: 2, shuffle: 4,
            raw: 256)
        ]),
      .init(
        "zlib", dtype: 1, shape: [4, 8], raw: [UInt8](repeating: 0, count: 256),
        chunks: [
          .init(
            "DATA", [0x78, 0xDA, 0x63, 0x60, 0x18, 0xD9, 0, 0, 1, 0, 0, 1], compression: 1,
            raw: 256)
        ]),
      .init(
        "shuffled", dtype: 3, shape: [64], raw: repeats,
        chunks: [
          .init("DATA", ContainerBuilder.shuffled(repeats, width: 2), shuffle: 2)
        ]),
      .init("raw", dtype: 4, shape: [2, 0], raw: []),
      .init(
        "pieces", dtype: 4, shape: [3, 23], raw: (0..<138).map { UInt8($0) },
        chunks: [
          .init("DATA", (0..<64).map { UInt8($0) }), .init("DATA", (64..<128).map { UInt8($0) }),
          .init("DATA", (128..<138).map { UInt8($0) }),
        ]),
    ]
    builder.ancillary = [
      .init("noTe", [1, 2, 3]), .init("empt", []),
      .init(
        "zero", [0x28, 0xB5, 0x2F, 0xFD, 0x60, 0, 0, 3, 8, 0, 0], compression: 2, raw: 256),
    ]
    return builder.bytes
  }()

  @Test("the file itself is intact")
  func intact() throws {
    try Opening.expectAccepted(Self.everything)
    let content = try #require(try Checking.content(of: Self.everything))
    #expect(content.tensors.map(\.name) == ["zstd", "zlib", "shuffled", "raw", "pieces"])
    #expect(content.bytes[4] == (0..<138).map { UInt8($0) })
    #expect(content.ancillary.map(\.count) == [7, 4, 260])
  }

  @Test("85: every flip of a single bit is found", arguments: 0..<8)
  func flips(_ bit: Int) throws {
    let folder = TemporaryFolder()
    for offset in Self.everything.indices {
      var bytes = Self.everything
      bytes[offset] ^= 1 << UInt8(bit)
      #expect(try Checking.content(of: bytes, in: folder) == nil, "byte \(offset)")
    }
  }

  @Test("every truncation is found, and no two files in a row are one")
  func truncations() throws {
    let folder = TemporaryFolder()
    for size in Self.everything.indices {
      #expect(
        try Checking.content(of: Array(Self.everything[..<size]), in: folder) == nil,
        "\(size) bytes")
    }
    #expect(try Checking.content(of: Self.everything + Self.everything, in: folder) == nil)
    #expect(try Checking.content(of: Self.everything + [0], in: folder) == nil)
  }

  @Test("bytes overwritten at random are found or change nothing", arguments: 0..<8)
  func overwritten(_ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let folder = TemporaryFolder()
    let intact = try Checking.content(of: Self.everything, in: folder)
    for _ in 0..<100 {
      var bytes = Self.everything
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        let offset = Int.random(in: bytes.indices, using: &generator)
        bytes[offset] = UInt8.random(in: 0...255, using: &generator)
      }
      let content = try Checking.content(of: bytes, in: folder)
      #expect(content == nil || content == intact)
    }
  }

  @Test("damage with checksums made to fit never crashes a reader", arguments: 0..<8)
  func forged(_ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(100 + seed))
    for _ in 0..<100 {
      var bytes = Self.everything
      let directory = bytes.count - 40 * 11
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        // The fields that decide what is read: the directory's, the header's, the table's.
        let place =
          [8..<60, directory..<bytes.count, 64..<directory]
          .randomElement(using: &generator) ?? 8..<60
        bytes[Int.random(in: place, using: &generator)] =
          [0, 1, 2, 4, 8, 0x7F, 0x80, 0xFF]
          .randomElement(using: &generator) ?? 0
      }
      for entry in 0..<11 {
        let start = directory + 40 * entry
        let (offset, length) = (number(bytes, start + 8), number(bytes, start + 16))
        guard offset < bytes.count, length <= bytes.count - offset else { continue }
        let text =
          ContainerBuilder.number(entry, 4) + bytes[start..<(start + 4)]
          + bytes[offset..<(offset + length)]
        let crc = ContainerBuilder.number(Int(ContainerBuilder.crc(text)), 4)
        bytes.replaceSubrange((start + 32)..<(start + 36), with: crc)
      }
      let crc = ContainerBuilder.crc(Array(bytes[directory...]))
      bytes.replaceSubrange(52..<56, with: ContainerBuilder.number(Int(crc), 4))
      let header = ContainerBuilder.crc(Array(bytes[..<60]))
      bytes.replaceSubrange(60..<64, with: ContainerBuilder.number(Int(header), 4))
      _ = try Checking.content(of: bytes)
      _ = try Checking.errors(of: bytes)
    }
  }

  /// The number of 8 bytes, or a large one where it has no place in `Int`.
  private func number(_ bytes: [UInt8], _ offset: Int) -> Int {
    let value = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    return Int(clamping: value)
  }

  @Test("86: chunks of one file exchanged, with the directory that fits their places")
  func swapped() throws {
    // Two pieces of equal size, entries and all: only the number in the checksum tells.
    var bytes = Self.everything
    let directory = bytes.count - 40 * 11
    let (first, second) = (directory + 40 * 4, directory + 40 * 5)
    let places = [first, second].map { number(bytes, $0 + 8) }
    let stored = places.map { Array(bytes[$0..<($0 + 64)]) }
    bytes.replaceSubrange(places[0]..<(places[0] + 64), with: stored[1])
    bytes.replaceSubrange(places[1]..<(places[1] + 64), with: stored[0])
    let checksums = [first, second].map { Array(bytes[($0 + 32)..<($0 + 36)]) }
    bytes.replaceSubrange((first + 32)..<(first + 36), with: checksums[1])
    bytes.replaceSubrange((second + 32)..<(second + 36), with: checksums[0])
    let crc = ContainerBuilder.crc(Array(bytes[directory...]))
    bytes.replaceSubrange(52..<56, with: ContainerBuilder.number(Int(crc), 4))
    let header = ContainerBuilder.crc(Array(bytes[..<60]))
    bytes.replaceSubrange(60..<64, with: ContainerBuilder.number(Int(header), 4))
    let errors = try Checking.errors(of: bytes)
    #expect(errors.map(\.subject.chunk) == [4, 5])
    #expect(errors.allSatisfy { $0.subject.tensor == "pieces" })
    #expect(
      errors.allSatisfy {
        if case .chunkChecksum = $0.problem { true } else { false }
      })
  }

  @Test("86: a chunk of another file in the same place, with its checksum")
  func foreign() throws {
    var other = ContainerBuilder.small
    other.tensors[0].raw = [UInt8](repeating: 7, count: 16)
    other.tensors[0].chunks = [.init("DATA", other.tensors[0].raw)]
    var builder = ContainerBuilder.small
    builder.editChunks = { $0[1] = .init("DATA", other.tensors[0].raw) }
    try Refusal.expectReading(
      0, of: builder.bytes,
      .tensorChecksum(
        found: ContainerBuilder.crc(other.tensors[0].raw),
        expected: ContainerBuilder.crc(ContainerBuilder.small.tensors[0].raw)),
      ContainerError.Subject(tensor: "a"), alsoInPart: false)
  }
}
