import Codecs
import FormatTestSupport
import ResLoRAContainer
import Tensors
import Testing

/// Chunks that do not hold what they should: Container §1.1, §3, §4.4.
@Suite struct ChunkRefusalTests {
  private typealias Subject = ContainerError.Subject

  private static let z = Subject(chunk: 1, type: .data, tensor: "z")

  /// A frame of 256 zeros in one block that repeats a byte, with the parts of its header.
  private static func frame(
    magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD], descriptor: UInt8 = 0x60, more: [UInt8] = [],
    size: [UInt8] = [0, 0], count: Int = 256
  ) -> [UInt8] {
    magic + [descriptor] + more + size + ContainerBuilder.number(count << 3 | 3, 3) + [0]
  }

  /// The zlib stream of 256 zeros: `zlib.compress(bytes(256), 9).hex()` of Python.
  private static let stream: [UInt8] = [
    0x78, 0xDA, 0x63, 0x60, 0x18, 0xD9, 0x00, 0x00, 0x01, 0x00, 0x00, 0x01,
  ]

  @Test("frames and streams made by hand are read")
  func intact() throws {
    let zeros = [UInt8](repeating: 0, count: 256)
    for shuffle: UInt8 in [1, 4] {
      for (compression, stored): (UInt8, [UInt8]) in [
        (2, Self.frame()), (2, Self.frame(descriptor: 0x40, more: [0])), (1, Self.stream),
        (2, Self.frame(descriptor: 0x40, more: [14 << 3])),
      ] {
        let bytes = ContainerBuilder.zeros(
          64, stored, compression: compression, shuffle: shuffle
        ).bytes
        #expect(try Opening.open(bytes).bytes(of: 0) == zeros)
        try Opening.expectAccepted(bytes)
      }
    }
  }

  @Test(
    "87 to 89: frames that are not one frame of the raw length",
    arguments: [
      (frame(size: [1, 0]), .wrongSize(expected: 256)),
      (frame(size: [0xFF, 0xFF]), .wrongSize(expected: 256)),
      (frame(count: 255), .damaged("damaged zstd frame")),
      (frame(count: 257), .damaged("damaged zstd frame")),
      (
        frame(descriptor: 0x40, more: [21 << 3]),
        .windowTooLarge(found: 1 << 31, limit: 16 << 20)
      ),
      (
        frame(descriptor: 0x40, more: [14 << 3 | 1]),
        .windowTooLarge(found: (16 << 20) + (2 << 20), limit: 16 << 20)
      ),
      (
        frame(descriptor: 0x40, more: [0xFF]),
        .windowTooLarge(found: (1 << 41) / 8 * 15, limit: 16 << 20)
      ),
      (frame() + frame(), .trailingBytes(found: 11)),
      (frame() + [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0], .trailingBytes(found: 8)),
      (frame() + [0], .trailingBytes(found: 1)),
      ([0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0] + frame(), .damaged("not a zstd frame")),
      (frame(descriptor: 0x61, more: [7]), .damaged("zstd frame with a dictionary")),
      (frame(descriptor: 0x63, more: [7, 0, 0, 0]), .damaged("zstd frame with a dictionary")),
      (
        frame(descriptor: 0x00, more: [0], size: []),
        .damaged("zstd frame without content size")
      ),
      (frame(descriptor: 0x68), .damaged("reserved bit of a zstd frame set")),
      (frame(magic: [0x27, 0xB5, 0x2F, 0xFD]), .damaged("not a zstd frame")),
      (Array(frame().dropLast()), .damaged("damaged zstd frame")),
      (Array(frame().prefix(6)), .damaged("zstd frame cut short")),
      (Array(frame().prefix(4)), .damaged("not a zstd frame")),
      ([], .damaged("not a zstd frame")),
    ] as [([UInt8], CodecError)])
  func zstd(_ stored: [UInt8], _ error: CodecError) throws {
    try Refusal.expectReading(
      0, of: ContainerBuilder.zeros(64, stored, compression: 2).bytes,
      .undecodable(.zstd, error), Self.z)
  }

  @Test(
    "streams that are not one stream of the raw length",
    arguments: [
      (stream + [0], .trailingBytes(found: 1)),
      (stream + stream, .trailingBytes(found: 12)),
      (Array(stream.dropLast()), .damaged("damaged zlib stream")),
      (Array(stream.dropLast()) + [2], .damaged("damaged zlib stream")),
      ([], .damaged("damaged zlib stream")),
      ([0x1F, 0x8B] + stream, .damaged("damaged zlib stream")),
    ] as [([UInt8], CodecError)])
  func zlib(_ stored: [UInt8], _ error: CodecError) throws {
    try Refusal.expectReading(
      0, of: ContainerBuilder.zeros(64, stored, compression: 1).bytes,
      .undecodable(.zlib, error), Self.z)
  }

  @Test("a stream of more or fewer bytes", arguments: [63, 65])
  func zlibSize(_ count: Int) throws {
    try Refusal.expectReading(
      0, of: ContainerBuilder.zeros(count, Self.stream, compression: 1).bytes,
      .undecodable(.zlib, .wrongSize(expected: 4 * count)), Self.z,
      line: "chunk 1 (DATA): tensor 'z': bad zlib data: it does not decode to the declared "
        + "\(4 * count) bytes [Container §3.2]")
  }

  @Test("a window over the limit in words")
  func windowText() throws {
    let stored = Self.frame(descriptor: 0x40, more: [21 << 3])
    try Refusal.expectReading(
      0, of: ContainerBuilder.zeros(64, stored, compression: 2).bytes,
      .undecodable(.zstd, .windowTooLarge(found: 1 << 31, limit: 16 << 20)), Self.z,
      line: "chunk 1 (DATA): tensor 'z': bad zstd data: window too large (found 2147483648 bytes, "
        + "expected at most 16777216) [Container §3.2]")
  }

  @Test("85: a flipped bit of stored bytes, uncompressed and compressed")
  func flipped() throws {
    for (stored, compression): ([UInt8], UInt8) in [
      (Self.frame(), 2), (Self.stream, 1), ([UInt8](repeating: 0, count: 256), 0),
    ] {
      var builder = ContainerBuilder.zeros(64, stored, compression: compression)
      var damaged = stored
      damaged[stored.count - 1] ^= 4
      builder.editFile = { $0[128 + stored.count - 1] ^= 4 }
      let prefix = ContainerBuilder.number(1, 4) + Array("DATA".utf8)
      try Refusal.expectReading(
        0, of: builder.bytes,
        .chunkChecksum(
          found: ContainerBuilder.crc(prefix + damaged),
          expected: ContainerBuilder.crc(prefix + stored)), Self.z)
    }
  }

  @Test("90: padding that is not zero", arguments: [16, 17, 63])
  func padding(_ position: Int) throws {
    var builder = ContainerBuilder.small
    builder.editFile = { $0[128 + position] = 1 }
    try Refusal.expectReading(
      0, of: builder.bytes, .padding(offset: 128 + position),
      Subject(chunk: 1, type: .data, tensor: "a"),
      line: "chunk 1 (DATA): tensor 'a': byte after the chunk is not zero (at byte "
        + "\(128 + position) of the file) [Container §1.1]")
    // Other tensors are not concerned.
    #expect(try Opening.open(builder.bytes).bytes(of: 1) == [0x80, 0x3F, 0, 0xC0, 1, 2])
  }

  @Test("90: padding after description and table is checked on opening")
  func paddingOfOthers() throws {
    var builder = ContainerBuilder.small
    builder.editFile = { $0[64 + 40] = 1 }
    try Refusal.expect(
      builder.bytes, .padding(offset: 104), Subject(chunk: 0, type: .description))
    let end = ContainerBuilder.small.bytes.count - 160
    builder.editFile = { $0[end - 1] = 1 }
    try Refusal.expect(
      builder.bytes, .padding(offset: end - 1), Subject(chunk: 3, type: .tensors))
  }

  @Test("a tensor that does not fit its checksum; parts of it can't tell")
  func tensorChecksum() throws {
    var builder = ContainerBuilder.small
    builder.tensors[0].checksum = 7
    let found = ContainerBuilder.crc(builder.tensors[0].raw)
    try Refusal.expectReading(
      0, of: builder.bytes, .tensorChecksum(found: found, expected: 7), Subject(tensor: "a"),
      alsoInPart: false)
    #expect(try Opening.open(builder.bytes).part(of: 0, 1..<4) == [1, 2, 3])
  }

  @Test("a tensor that does not fit its SHA-256 is found by the whole check")
  func tensorDigest() throws {
    var builder = ContainerBuilder.small
    builder.tensors[0].digest = [UInt8](repeating: 0xCD, count: 32)
    let bytes = builder.bytes
    let file = try Opening.open(bytes)
    #expect(try file.bytes(of: 0) == builder.tensors[0].raw)
    #expect(file.sha256(ofTensor: 0) == String(repeating: "cd", count: 32))
    let hexadecimal = ContainerBuilder.sha256(builder.tensors[0].raw)
      .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let errors = try Checking.errors(of: bytes)
    #expect(
      errors.map(\.problem) == [
        .tensorDigest(found: hexadecimal, expected: String(repeating: "cd", count: 32))
      ])
    #expect(errors.first?.subject == Subject(tensor: "a"))
  }
}
