internal import CZstd

/// zstd frames (RFC 8878) of buffers that are wholly in memory.
package enum Zstandard {
  /// The largest window a frame may ask for.
  package static let maximumWindow = 16 << 20

  /// What a compressor is tuned for.
  package enum Tuning {
    /// Text and the like, at a level of the library.
    case level(Int)
    /// Shuffled floating-point numbers: whole planes of bytes that are random, or follow one
    /// distribution, without repetitions but runs of one byte.
    case shuffled
  }

  /// Compresses with reusable working memory; one for each thread.
  @safe package struct Compressor: ~Copyable {
    private let state: OpaquePointer

    /// Prepares for some kind of bytes.
    package init(_ tuning: Tuning) {
      guard let state = unsafe ZSTD_createCCtx() else { fatalError("out of memory") }
      unsafe self.state = state
      switch tuning {
      case .level(let level): set(ZSTD_c_compressionLevel, level)
      case .shuffled:
        // Matches in random bytes are accidents that cost more than they save: the fewest that
        // the library looks for, which leaves the entropy code and runs.
        set(ZSTD_c_compressionLevel, 1)
        set(ZSTD_c_minMatch, 7)
        set(ZSTD_c_hashLog, 6)
      }
    }

    deinit { unsafe ZSTD_freeCCtx(state) }

    private func set(_ parameter: ZSTD_cParameter, _ value: Int) {
      let result = unsafe ZSTD_CCtx_setParameter(state, parameter, Int32(value))
      precondition(ZSTD_isError(result) == 0, "a parameter that every version of zstd has")
    }

    /// Compresses into `target` as one frame that states its content size; the size of the frame,
    /// or nil where it does not fit.
    ///
    /// - Parameter plane: the bytes after which a block ends, so that each plane of shuffled
    ///   elements gets an entropy code of its own; all of them where nothing is shuffled.
    package func compress(
      _ source: UnsafeRawBufferPointer, plane: Int, into target: UnsafeMutableRawBufferPointer
    ) -> Int? {
      unsafe ZSTD_CCtx_reset(state, ZSTD_reset_session_only)
      unsafe ZSTD_CCtx_setPledgedSrcSize(state, UInt64(source.count))
      var output = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
      var start = 0
      repeat {
        let end = source.count - start > plane ? start + plane : source.count
        let operation = end == source.count ? ZSTD_e_end : ZSTD_e_flush
        let part = unsafe UnsafeRawBufferPointer(rebasing: source[start..<end])
        var input = unsafe ZSTD_inBuffer(src: part.baseAddress, size: part.count, pos: 0)
        while true {
          let rest = unsafe ZSTD_compressStream2(state, &output, &input, operation)
          guard ZSTD_isError(rest) == 0 else { return nil }
          if rest == 0 { break }
          if unsafe output.pos == output.size { return nil }
        }
        start = end
      } while start < source.count
      return unsafe output.pos
    }
  }

  /// Decompresses with reusable working memory; one for each thread.
  @safe package struct Decompressor: ~Copyable {
    private let state: OpaquePointer

    package init() {
      guard let state = unsafe ZSTD_createDCtx() else { fatalError("out of memory") }
      unsafe self.state = state
    }

    deinit { unsafe ZSTD_freeDCtx(state) }

    /// Decompresses one frame that states its content size, ends where `source` ends and fills
    /// `target` (Container §3.2).
    ///
    /// - Throws: `CodecError`.
    package func decompress(
      _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(CodecError) {
      let header = try unsafe FrameHeader(source)
      guard header.contentSize == UInt64(target.count) else {
        throw .wrongSize(expected: target.count)
      }
      guard header.window <= UInt64(Zstandard.maximumWindow) else {
        throw .windowTooLarge(
          found: Int(clamping: header.window), limit: Zstandard.maximumWindow)
      }
      let frame = unsafe ZSTD_findFrameCompressedSize(source.baseAddress, source.count)
      guard ZSTD_isError(frame) == 0 else { throw .damaged("damaged zstd frame") }
      guard frame == source.count else { throw .trailingBytes(found: source.count - frame) }
      let produced = unsafe ZSTD_decompressDCtx(
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
      guard frame.count >= 5,
        unsafe frame.loadUnaligned(as: UInt32.self).littleEndian == 0xFD2F_B528
      else { throw .damaged("not a zstd frame") }
      let descriptor = unsafe frame[4]
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
        let exponent = unsafe UInt64(frame[position] >> 3)
        let mantissa = unsafe UInt64(frame[position] & 7)
        let base: UInt64 = 1 << (10 + exponent)
        stated = base + base / 8 * mantissa
        position += 1
      }
      var size: UInt64 = 0
      for byte in (0..<sizeBytes).reversed() {
        size = unsafe size << 8 | UInt64(frame[position + byte])
      }
      if sizeBytes == 2 { size += 256 }
      contentSize = size
      window = stated ?? size
    }
  }
}
