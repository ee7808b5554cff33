internal import ByteIO
internal import Codecs

/// Reads and decodes chunks for one thread, with working memory that is kept from chunk to chunk:
/// at most the stored and twice the raw length of the largest one, so 48 MiB, and 3 MiB for the
/// chunks of the tool.
final class ChunkReader {
  private let file: ReadableFile
  private let zlib = Deflate.Decompressor()
  private let zstd = Zstandard.Decompressor()
  private var stored = AlignedBuffer(byteCount: 0)
  private var shuffled = AlignedBuffer(byteCount: 0)
  private var raw = AlignedBuffer(byteCount: 0)

  init(file: ReadableFile) { self.file = file }

  /// Reads a whole chunk into `target`, which has its raw length; checks its checksum and the
  /// padding after it.
  ///
  /// - Returns: the checksum of the raw bytes where it is asked for or costs nothing.
  /// - Throws: `ContainerError`, errors of reading; where faults are kept, only those without
  ///   which there are no raw bytes.
  @discardableResult
  func read(
    _ chunk: ChunkInfo, into target: UnsafeMutableRawBufferPointer,
    summingRaw: Bool, _ faults: inout FaultHandler
  ) throws -> ContainerChecksum {
    precondition(target.count == chunk.rawLength)
    let padding = min(ContainerFormat.padding(after: chunk.end), file.size - chunk.end)
    if chunk.isStoredRaw {
      try unsafe file.read(at: chunk.offset, into: target)
      let checksum = unsafe ContainerChecksum(of: UnsafeRawBufferPointer(target))
      try check(chunk, checksum, &faults)
      if padding > 0 {
        let after = unsafe ChunkReader.buffer(&stored, padding)
        try unsafe file.read(at: chunk.end, into: after)
        try unsafe checkPadding(UnsafeRawBufferPointer(after), chunk, &faults)
      }
      return checksum
    }
    let bytes = unsafe ChunkReader.buffer(&stored, chunk.storedLength + padding)
    try unsafe file.read(at: chunk.offset, into: bytes)
    let content = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<chunk.storedLength])
    try unsafe check(chunk, ContainerChecksum(of: content), &faults)
    try unsafe checkPadding(
      UnsafeRawBufferPointer(rebasing: bytes[chunk.storedLength...]), chunk, &faults)
    try unsafe decode(content, chunk, into: target, faults)
    return unsafe summingRaw
      ? ContainerChecksum(of: UnsafeRawBufferPointer(target)) : ContainerChecksum()
  }

  /// Calls `body` with the raw bytes of a chunk in working memory.
  func withRawBytes<Result>(
    of chunk: ChunkInfo, summing: Bool = false, _ faults: inout FaultHandler,
    _ body: (UnsafeRawBufferPointer, ContainerChecksum) throws -> Result
  ) throws -> Result {
    let target = unsafe ChunkReader.buffer(&raw, chunk.rawLength)
    let checksum = try unsafe read(chunk, into: target, summingRaw: summing, &faults)
    return try unsafe body(UnsafeRawBufferPointer(target), checksum)
  }

  private func decode(
    _ content: UnsafeRawBufferPointer, _ chunk: ChunkInfo,
    into target: UnsafeMutableRawBufferPointer, _ faults: FaultHandler
  ) throws {
    if chunk.compression == .none {
      unsafe ByteShuffle.unshuffle(content, width: chunk.shuffle, into: target)
      return
    }
    let isShuffled = chunk.shuffle != 1
    let decoded = unsafe isShuffled ? ChunkReader.buffer(&shuffled, chunk.rawLength) : target
    do throws(CodecError) {
      if chunk.compression == .zlib {
        try unsafe zlib.decompress(content, into: decoded)
      } else {
        try unsafe zstd.decompress(content, into: decoded)
      }
    } catch {
      throw faults.failure(.undecodable(chunk.compression, error), .chunk(chunk))
    }
    if isShuffled {
      unsafe ByteShuffle.unshuffle(
        UnsafeRawBufferPointer(decoded), width: chunk.shuffle, into: target)
    }
  }

  private func check(
    _ chunk: ChunkInfo, _ stored: ContainerChecksum, _ faults: inout FaultHandler
  ) throws {
    let found = chunk.checksum(ofStored: stored)
    if found != chunk.checksum {
      try faults.report(
        .chunkChecksum(found: found, expected: chunk.checksum), .chunk(chunk))
    }
  }

  private func checkPadding(
    _ bytes: UnsafeRawBufferPointer, _ chunk: ChunkInfo, _ faults: inout FaultHandler
  ) throws {
    if let position = unsafe bytes.firstIndex(where: { $0 != 0 }) {
      try faults.report(.padding(offset: chunk.end + position), .chunk(chunk))
    }
  }

  /// The first `count` bytes of a buffer, which is replaced where it is smaller.
  private static func buffer(
    _ buffer: inout AlignedBuffer, _ count: Int
  ) -> UnsafeMutableRawBufferPointer {
    if unsafe buffer.bytes.count < count { buffer = AlignedBuffer(byteCount: count) }
    return unsafe buffer.prefix(count)
  }
}
