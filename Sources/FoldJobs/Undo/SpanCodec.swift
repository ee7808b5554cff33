internal import ByteIO
internal import Codecs

/// Makes the stored form of differences, with working memory that is kept from span to span: three
/// times the raw length of the largest one, and what the codec takes (about 1 MiB).
final class SpanEncoder {
  private let zstd = Zstandard.Compressor(.shuffled)
  private let text = Zstandard.Compressor(.level(3))
  private var raw = AlignedBuffer(byteCount: 0)
  private var shuffled = AlignedBuffer(byteCount: 0)
  private var stored = AlignedBuffer(byteCount: 0)

  /// The stored form of a difference; nil where nothing differs. The bytes are there until the
  /// next one is encoded.
  func encode(
    before: UnsafeRawBufferPointer, after: UnsafeRawBufferPointer, width: Int
  ) -> (chunk: UndoChunk, bytes: UnsafeRawBufferPointer)? {
    let count = before.count
    let difference = unsafe SpanEncoder.buffer(&raw, count)
    guard unsafe BitDifference.write(before, after, into: difference) else { return nil }
    var source = UnsafeRawBufferPointer(difference)
    if width > 1 {
      let target = unsafe SpanEncoder.buffer(&shuffled, count)
      unsafe ByteShuffle.shuffle(source, width: width, into: target)
      unsafe source = UnsafeRawBufferPointer(target)
    }
    return unsafe encode(source, type: UndoChunk.span, width: width) {
      unsafe zstd.compress($0, plane: count / width, into: $1)
    }
  }

  /// The stored form of a piece of the description.
  func encode(_ piece: UnsafeRawBufferPointer) -> (chunk: UndoChunk, bytes: UnsafeRawBufferPointer)
  {
    unsafe encode(piece, type: UndoChunk.base, width: 1) {
      unsafe text.compress($0, plane: piece.count, into: $1)
    }
  }

  private func encode(
    _ source: UnsafeRawBufferPointer, type: [UInt8], width: Int,
    _ compress: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Int?
  ) -> (chunk: UndoChunk, bytes: UnsafeRawBufferPointer) {
    let target = unsafe SpanEncoder.buffer(&stored, source.count)
    // Compressed only where that makes it smaller (Undo §3.2).
    let size = unsafe compress(source, UnsafeMutableRawBufferPointer(rebasing: target.dropLast()))
    let bytes =
      unsafe size.map { unsafe UnsafeRawBufferPointer(rebasing: target[..<$0]) } ?? source
    let chunk = unsafe UndoChunk(
      type: type, isCompressed: size != nil, shuffle: width, storedLength: bytes.count,
      rawLength: source.count, checksum: CRC32.of(bytes), tensor: 0, offset: 0, position: 0)
    return unsafe (chunk, bytes)
  }

  fileprivate static func buffer(
    _ buffer: inout AlignedBuffer, _ count: Int
  ) -> UnsafeMutableRawBufferPointer {
    if unsafe buffer.bytes.count < count { buffer = AlignedBuffer(byteCount: count) }
    return unsafe buffer.prefix(count)
  }
}

/// Reads chunks and makes raw bytes of them, with working memory that is kept: at most three times
/// the raw length of the largest chunk.
final class SpanDecoder {
  private let file: ReadableFile
  private let zstd = Zstandard.Decompressor()
  private var stored = AlignedBuffer(byteCount: 0)
  private var shuffled = AlignedBuffer(byteCount: 0)
  private var raw = AlignedBuffer(byteCount: 0)

  init(file: ReadableFile) { self.file = file }

  /// The raw bytes of a chunk, which are there until the next one is decoded.
  ///
  /// - Throws: `UndoError`, errors of reading.
  func decode(_ chunk: UndoChunk, number: Int) throws -> UnsafeRawBufferPointer {
    let content = unsafe SpanEncoder.buffer(&stored, chunk.storedLength)
    try unsafe file.read(at: chunk.position, into: content)
    guard unsafe CRC32.of(UnsafeRawBufferPointer(content)) == chunk.checksum else {
      throw UndoError(path: file.path, problem: .checksum(part: "chunk \(number)"))
    }
    var planes = UnsafeRawBufferPointer(content)
    if chunk.isCompressed {
      let target = unsafe SpanEncoder.buffer(&shuffled, chunk.rawLength)
      do throws(CodecError) {
        try unsafe zstd.decompress(planes, into: target)
      } catch {
        throw UndoError(
          path: file.path, problem: .undecodable(chunk: number, reason: error.description))
      }
      unsafe planes = UnsafeRawBufferPointer(target)
    }
    guard chunk.shuffle > 1 else { return unsafe planes }
    let target = unsafe SpanEncoder.buffer(&raw, chunk.rawLength)
    unsafe ByteShuffle.unshuffle(planes, width: chunk.shuffle, into: target)
    return UnsafeRawBufferPointer(target)
  }
}
