internal import CZstd

/// zstd frames (RFC 8878) of buffers that are wholly in memory.
package enum Zstandard {
  /// The largest window a frame may ask for.
  package static let maximumWindow = 16 << 20

  /// Compresses with reusable working memory; one for each thread.
  package struct Compressor: ~Copyable {
    private let state: OpaquePointer
    private let level: Int32

    package init(level: Int) {
      guard let state = ZSTD_createCCtx() else { fatalError("out of memory") }
      self.state = state
      self.level = Int32(level)
    }

    deinit { ZSTD_freeCCtx(state) }

    /// Compresses into `target` as one frame that states its content size; the size of the frame,
    /// or nil where it does not fit.
    package func compress(
      _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) -> Int? {
      let size = ZSTD_compressCCtx(
        state, target.baseAddress, target.count, source.baseAddress, source.count, level)
      return ZSTD_isError(size) == 0 ? size : nil
    }
  }

  /// Decompresses with reusable working memory; one for each thread.
  package struct Decompressor: ~Copyable {
    private let state: OpaquePointer

    package init() {
      guard let state = ZSTD_createDCtx() else { fatalError("out of memory") }
      self.state = state
    }

    deinit { ZSTD_freeDCtx(state) }

    /// Decompresses one frame that states its content size, ends where `source` ends and fills
    /// `target` (Container §3.2).
    ///
    /// - Throws: `CodecError`.
    package func decompress(
      _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(CodecError) {
      let header = try FrameHeader(source)
      guard header.contentSize == UInt64(target.count) else {
        throw .wrongSize(expected: target.count)
      }
      guard header.window <= UInt64(Zstandard.maximumWindow) else {
        throw .windowTooLarge(
          found: Int(clamping: header.window), limit: Zstandard.maximumWindow)
      }
      let frame = ZSTD_findFrameCompressedSize(source.baseAddress, source.count)
      guard ZSTD_isError(frame) == 0 else { throw .damaged("damaged zstd frame") }
      guard frame == source.count else { throw .trailingBytes(found: source.count - frame) }
      let produced = ZSTD_decompressDCtx(
        state, target.baseAddress, target.count, source.baseAddress, source.count)
      guard ZSTD_isError(produced) == 0 else { throw .damaged("damaged zstd frame") }
      guard produced == target.count else { throw .wrongSize(expected: target.count) }
    }
  }

  /// The fields of a frame's header that decide memory (RFC 8878 §3.1.1.1).
  private struct FrameHeader {
    let contentSize: UInt64
    let window: UInt64

    init(_ frame: UnsafeRawBufferPointer) throws(CodecError) {
      guard frame.count >= 5, frame.loadUnaligned(as: UInt32.self).littleEndian == 0xFD2F_B528
      else { throw .damaged("not a zstd frame") }
      let descriptor = frame[4]
      let isSingleSegment = descriptor & 0x20 != 0
      guard descriptor & 0x08 == 0 else { throw .damaged("reserved bit of a zstd frame set") }
      guard descriptor & 0x03 == 0 else { throw .damaged("zstd frame with a dictionary") }
      let sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
      guard sizeBytes > 0 else { throw .damaged("zstd frame without content size") }
      var position = 5
      guard frame.count >= position + (isSingleSegment ? 0 : 1) + sizeBytes else {
        throw .damaged("zstd frame cut short")
      }
      var stated: UInt64?
      if !isSingleSegment {
        let exponent = UInt64(frame[position] >> 3)
        let mantissa = UInt64(frame[position] & 7)
        let base: UInt64 = 1 << (10 + exponent)
        stated = base + base / 8 * mantissa
        position += 1
      }
      var size: UInt64 = 0
      for byte in (0..<sizeBytes).reversed() { size = size << 8 | UInt64(frame[position + byte]) }
      if sizeBytes == 2 { size += 256 }
      contentSize = size
      window = stated ?? size
    }
  }
}
