import Codecs
import TestSupport
import Testing

/// zlib streams and zstd frames: those of other programs are read, and what is not exactly one whole
/// stream of the expected size is refused (Container §3.2).
@Suite struct StreamTests {
  private static let text = Array("residual residual residual residual".utf8)

  /// `text` as Python's zlib and zstandard compress it.
  private static let zlib: [UInt8] = [
    120, 218, 43, 74, 45, 206, 76, 41, 77, 204, 81, 40, 194, 201, 0, 0, 248, 101, 13, 197,
  ]
  private static let zstd: [UInt8] = [
    40, 181, 47, 253, 32, 35, 125, 0, 0, 72, 114, 101, 115, 105, 100, 117, 97, 108, 32, 1, 0, 180,
    203, 17,
  ]
  private static let zstdWithChecksum: [UInt8] =
    [40, 181, 47, 253, 36] + zstd[5...] + [166, 153, 170, 42]
  private static let zstdWithoutSize: [UInt8] = [40, 181, 47, 253, 0, 0] + zstd[6...]

  private func inflate(_ stream: [UInt8], to count: Int) throws(CodecError) -> [UInt8] {
    try decode(stream, count) { source, target throws(CodecError) in
      try Deflate.Decompressor().decompress(source, into: target)
    }
  }

  private func decompress(_ frame: [UInt8], to count: Int) throws(CodecError) -> [UInt8] {
    try decode(frame, count) { source, target throws(CodecError) in
      try Zstandard.Decompressor().decompress(source, into: target)
    }
  }

  private func decode(
    _ stored: [UInt8], _ count: Int,
    _ body: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) throws(CodecError) -> Void
  ) throws(CodecError) -> [UInt8] {
    var target = [UInt8](repeating: 0, count: count)
    let failure: CodecError? = stored.withUnsafeBytes { source in
      target.withUnsafeMutableBytes { target in
        do throws(CodecError) {
          try body(source, target)
          return nil
        } catch {
          return error
        }
      }
    }
    if let failure { throw failure }
    return target
  }

  @Test("streams of other programs")
  func others() throws {
    #expect(try inflate(Self.zlib, to: 35) == Self.text)
    #expect(try decompress(Self.zstd, to: 35) == Self.text)
    #expect(try decompress(Self.zstdWithChecksum, to: 35) == Self.text)
  }

  @Test("another size than expected", arguments: [0, 1, 34, 36, 1000])
  func size(_ count: Int) {
    #expect(throws: CodecError.wrongSize(expected: count)) { try inflate(Self.zlib, to: count) }
    #expect(throws: CodecError.wrongSize(expected: count)) { try decompress(Self.zstd, to: count) }
  }

  @Test("bytes after the end, a second stream among them")
  func trailing() {
    for (more, found) in [([0], 1), (Self.zlib, 20)] {
      #expect(throws: CodecError.trailingBytes(found: found)) {
        try inflate(Self.zlib + more, to: 35)
      }
    }
    for (more, found) in [([0], 1), (Self.zstd, 24)] {
      #expect(throws: CodecError.trailingBytes(found: found)) {
        try decompress(Self.zstd + more, to: 35)
      }
    }
  }

  @Test("streams that end early", arguments: 0..<20)
  func cut(_ length: Int) {
    #expect(throws: CodecError.self) { try inflate(Array(Self.zlib.prefix(length)), to: 35) }
    #expect(throws: CodecError.self) { try decompress(Array(Self.zstd.prefix(length)), to: 35) }
  }

  @Test("a damaged checksum")
  func checksum() {
    var (zlib, zstd) = (Self.zlib, Self.zstdWithChecksum)
    zlib[19] ^= 1
    zstd[zstd.count - 1] ^= 1
    #expect(throws: CodecError.damaged("damaged zlib stream")) { try inflate(zlib, to: 35) }
    #expect(throws: CodecError.damaged("damaged zstd frame")) { try decompress(zstd, to: 35) }
  }

  @Test("frames that a container may not hold")
  func frames() {
    func refused(_ frame: [UInt8], _ reason: String) {
      #expect(throws: CodecError.damaged(reason)) { try decompress(frame, to: 35) }
    }
    refused(Self.zstdWithoutSize, "zstd frame without content size")
    refused([40, 181, 47, 253, 33, 1] + Self.zstd[5...], "zstd frame with a dictionary")
    refused([40, 181, 47, 253, 40] + Self.zstd[5...], "reserved bit of a zstd frame set")
    refused([0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 0], "not a zstd frame")
    refused(Self.zlib, "not a zstd frame")
  }

  @Test("a window of more than 16 MiB")
  func window() {
    // A frame with a window of its own: 2^(10 + 15) bytes.
    let frame: [UInt8] = [40, 181, 47, 253, 0x80, 15 << 3, 35, 0, 0, 0] + Self.zstd[6...]
    #expect(throws: CodecError.windowTooLarge(found: 32 << 20, limit: 16 << 20)) {
      try decompress(frame, to: 35)
    }
  }

  @Test("what is compressed decompresses", arguments: [0, 1, 7, 1000, 300_000])
  func roundTrip(_ count: Int) throws {
    var generator = SeededGenerator(seed: UInt64(count))
    let bytes = (0..<count).map { UInt8($0 % 7) ^ UInt8.random(in: 0...3, using: &generator) }
    var target = [UInt8](repeating: 0, count: count + count / 8 + 100)
    let size = bytes.withUnsafeBytes { source in
      target.withUnsafeMutableBytes { Deflate.Compressor(level: 4).compress(source, into: $0) }
    }
    #expect(try inflate(Array(target.prefix(try #require(size))), to: count) == bytes)
    for plane in [1000, 99_999, 100_000, 300_000] {
      for tuning in [Zstandard.Tuning.level(3), .shuffled] {
        let size = bytes.withUnsafeBytes { source in
          target.withUnsafeMutableBytes {
            Zstandard.Compressor(tuning).compress(source, plane: plane, into: $0)
          }
        }
        #expect(try decompress(Array(target.prefix(try #require(size))), to: count) == bytes)
      }
    }
  }

  @Test("no room for the result")
  func noRoom() {
    var generator = SeededGenerator(seed: 1)
    let bytes = (0..<1000).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    var target = [UInt8](repeating: 0, count: 900)
    bytes.withUnsafeBytes { source in
      target.withUnsafeMutableBytes {
        #expect(Deflate.Compressor(level: 4).compress(source, into: $0) == nil)
        #expect(Zstandard.Compressor(.shuffled).compress(source, plane: 1000, into: $0) == nil)
      }
    }
  }
}
