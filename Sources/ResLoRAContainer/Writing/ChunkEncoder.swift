internal import ByteIO
internal import Codecs

/// Encodes chunks for one thread, with working memory that is kept from chunk to chunk.
final class ChunkEncoder {
  /// The stored form of some raw bytes; its bytes are the raw ones or lie in working memory, and
  /// are there until the next chunk is encoded.
  @safe struct Encoded {
    let compression: ChunkCompression
    let shuffle: Int
    let bytes: UnsafeRawBufferPointer
    let checksum: ContainerChecksum
  }

  private static let textLevel = 3
  private static let zlibLevel = 4

  private let compression: ContainerCompression
  private let zlib = Deflate.Compressor(level: zlibLevel)
  private let zstdElements = Zstandard.Compressor(.shuffled)
  private let zstdText = Zstandard.Compressor(.level(textLevel))
  private var raw = AlignedBuffer(byteCount: 0)
  private var shuffled = AlignedBuffer(byteCount: 0)
  private var stored = AlignedBuffer(byteCount: 0)

  init(_ compression: ContainerCompression) { self.compression = compression }

  /// Memory for `count` raw bytes, until the next chunk.
  func rawBuffer(_ count: Int) -> UnsafeMutableRawBufferPointer {
    if unsafe raw.bytes.count < count { raw = AlignedBuffer(byteCount: count) }
    return unsafe raw.prefix(count)
  }

  /// Encodes raw bytes, elements of `width` bytes or 1 for what has none.
  ///
  /// - Parameter checksum: that of the raw bytes, where it is known.
  func encode(
    _ bytes: UnsafeRawBufferPointer, width: Int, checksum: ContainerChecksum? = nil
  ) -> Encoded {
    if let encoded = unsafe compressed(bytes, width: width) { return encoded }
    return unsafe Encoded(
      compression: .none, shuffle: 1, bytes: bytes,
      checksum: checksum ?? ContainerChecksum(of: bytes))
  }

  /// The most bytes that count as smaller.
  private func limit(_ count: Int) -> Int {
    switch compression {
    case .none: 0
    case .automatic: count - max(count / 32, ContainerFormat.alignment)
    case .zlib, .zstd: count - 1
    }
  }

  private func compressed(_ bytes: UnsafeRawBufferPointer, width: Int) -> Encoded? {
    let limit = limit(bytes.count)
    guard limit > 0 else { return nil }
    var source = unsafe bytes
    if width > 1 {
      if unsafe shuffled.bytes.count < bytes.count {
        shuffled = AlignedBuffer(byteCount: bytes.count)
      }
      let target = unsafe shuffled.prefix(bytes.count)
      unsafe ByteShuffle.shuffle(bytes, width: width, into: target)
      unsafe source = UnsafeRawBufferPointer(target)
    }
    if unsafe stored.bytes.count < limit { stored = AlignedBuffer(byteCount: bytes.count) }
    let target = unsafe stored.prefix(limit)
    let size =
      switch (compression, width) {
      case (.zlib, _): unsafe zlib.compress(source, into: target)
      case (_, 1): unsafe zstdText.compress(source, plane: source.count, into: target)
      default: unsafe zstdElements.compress(source, plane: source.count / width, into: target)
      }
    guard let size else { return nil }
    let result = unsafe UnsafeRawBufferPointer(rebasing: target[..<size])
    return unsafe Encoded(
      compression: compression == .zlib ? .zlib : .zstd, shuffle: width, bytes: result,
      checksum: ContainerChecksum(of: result))
  }
}
