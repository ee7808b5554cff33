internal import ByteIO
internal import Codecs

/// Reads a stored chunk and undoes its filters; one for each thread.
///
/// Memory: the stored chunk and up to three times the chunk, kept for the next one.
final class ChunkDecoder {
  private let inflater = Deflate.Decompressor()
  private var buffers = [AlignedBuffer?](repeating: nil, count: 4)

  /// Why a chunk does not decode.
  struct Failure: Error {
    let text: String
  }

  /// Fills `target` with the elements of a chunk as stored, byte order included.
  ///
  /// `filters` are those that were applied, in that order.
  ///
  /// - Throws: `Failure`, errors of reading.
  func decode(
    _ chunk: StoredChunk, filters: [HDF5Filter], from file: ReadableFile,
    into target: UnsafeMutableRawBufferPointer
  ) throws {
    guard !filters.isEmpty else {
      guard chunk.size == target.count else {
        throw Failure(
          text: "wrong size (found \(chunk.size) bytes, expected \(target.count))")
      }
      return try unsafe file.read(at: chunk.offset, into: target)
    }
    // A stream takes at least a thousandth of what it decodes to, and hardly more than it.
    let deflates = filters.filter { $0 == .deflate }.count
    let floor = deflates > 0 ? target.count / 1040 : target.count
    guard deflates <= 1, chunk.size >= floor, chunk.size <= 2 * target.count + 65536 else {
      throw Failure(
        text: "it does not decode to \(target.count) bytes (found \(chunk.size) stored bytes)")
    }
    let stored = unsafe buffer(0, count: chunk.size)
    try unsafe file.read(at: chunk.offset, into: stored)
    var current = UnsafeRawBufferPointer(stored)
    var next = 1
    for (position, filter) in filters.enumerated().reversed() {
      let isLast = filters[..<position].allSatisfy { $0 == .fletcher32 }
      func output(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if isLast, count == target.count { return unsafe target }
        next = 3 - next
        return unsafe buffer(next, count: count)
      }
      switch filter {
      case .fletcher32: unsafe current = try unsafe withoutChecksum(current)
      case .shuffle(let width):
        guard width > 1 else { break }
        unsafe current = unshuffled(current, width: width, into: output(current.count))
      case .deflate:
        // Checksums are all that the filters before it can have added.
        let added = 4 * filters[..<position].filter { $0 == .fletcher32 }.count
        let result = unsafe output(target.count + added)
        do {
          try unsafe inflater.decompress(current, into: result)
        } catch {
          throw Failure(text: "\(error)")
        }
        unsafe current = UnsafeRawBufferPointer(result)
      }
    }
    guard current.count == target.count else {
      throw Failure(text: "wrong size (found \(current.count) bytes, expected \(target.count))")
    }
    if unsafe current.baseAddress != UnsafeRawPointer(target.baseAddress) {
      unsafe target.copyMemory(from: current)
    }
  }

  private func withoutChecksum(_ bytes: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer {
    guard bytes.count >= 4 else { throw Failure(text: "too short for its checksum") }
    let content = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - 4)])
    let stored = unsafe bytes.loadUnaligned(fromByteOffset: content.count, as: UInt32.self)
      .littleEndian
    guard unsafe Fletcher32.of(content) == stored else { throw Failure(text: "wrong checksum") }
    return unsafe content
  }

  /// Working memory for a chunk that is wanted only in parts.
  func scratch(_ count: Int) -> UnsafeMutableRawBufferPointer { unsafe buffer(3, count: count) }

  private func unshuffled(
    _ bytes: UnsafeRawBufferPointer, width: Int, into target: UnsafeMutableRawBufferPointer
  ) -> UnsafeRawBufferPointer {
    // What does not fill an element is left as it is.
    let whole = bytes.count - bytes.count % width
    unsafe ByteShuffle.unshuffle(
      UnsafeRawBufferPointer(rebasing: bytes[..<whole]), width: width,
      into: UnsafeMutableRawBufferPointer(rebasing: target[..<whole]))
    unsafe UnsafeMutableRawBufferPointer(rebasing: target[whole...])
      .copyBytes(from: bytes[whole...])
    return UnsafeRawBufferPointer(target)
  }

  private func buffer(_ number: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    if let buffer = buffers[number], unsafe buffer.bytes.count >= count {
      return unsafe buffer.prefix(count)
    }
    let buffer = AlignedBuffer(byteCount: count)
    buffers[number] = buffer
    return unsafe buffer.prefix(count)
  }
}
