internal import CDeflate

/// zlib streams (RFC 1950) of buffers that are wholly in memory.
package enum Deflate {
  /// Compresses with reusable working memory; one for each thread.
  @safe package struct Compressor: ~Copyable {
    private let state: OpaquePointer

    /// Prepares for a level from 1 to 12.
    package init(level: Int) {
      guard let state = unsafe libdeflate_alloc_compressor(Int32(level)) else {
        fatalError("out of memory")
      }
      unsafe self.state = state
    }

    deinit { unsafe libdeflate_free_compressor(state) }

    /// The most bytes that `count` bytes take compressed.
    package func bound(_ count: Int) -> Int { unsafe libdeflate_zlib_compress_bound(state, count) }

    /// Compresses into `target`; the size of the stream, or nil where it does not fit.
    package func compress(
      _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) -> Int? {
      let size = unsafe libdeflate_zlib_compress(
        state, source.baseAddress, source.count, target.baseAddress, target.count)
      return size == 0 ? nil : size
    }
  }

  /// Decompresses with reusable working memory; one for each thread.
  @safe package struct Decompressor: ~Copyable {
    private let state: OpaquePointer

    package init() {
      guard let state = unsafe libdeflate_alloc_decompressor() else { fatalError("out of memory") }
      unsafe self.state = state
    }

    deinit { unsafe libdeflate_free_decompressor(state) }

    /// Decompresses one stream that ends where `source` ends and fills `target`.
    ///
    /// - Throws: `CodecError`.
    package func decompress(
      _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(CodecError) {
      var taken = 0
      var produced = 0
      let result = unsafe libdeflate_zlib_decompress_ex(
        state, source.baseAddress, source.count, target.baseAddress, target.count, &taken,
        &produced)
      switch result {
      case LIBDEFLATE_SUCCESS: break
      case LIBDEFLATE_INSUFFICIENT_SPACE: throw .wrongSize(expected: target.count)
      default: throw .damaged("damaged zlib stream")
      }
      guard produced == target.count else { throw .wrongSize(expected: target.count) }
      guard taken == source.count else { throw .trailingBytes(found: source.count - taken) }
    }
  }
}
