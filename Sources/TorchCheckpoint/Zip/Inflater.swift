internal import ByteIO
internal import CZlib

/// Decompresses an entry's deflate data with zlib.
enum Inflater {
  private static let pieceSize = 256 << 10

  /// The content of a deflated entry.
  ///
  /// Memory: the declared size, which deflate bounds by 1032 times the stored bytes, and 256 KiB.
  ///
  /// - Throws: `ZipProblem.deflateDamaged`, `.wrongInflatedSize`, the errors of reading.
  static func inflate(_ entry: ZipEntry, of file: ReadableFile) throws -> [UInt8] {
    try unsafe [UInt8](unsafeUninitializedCapacity: entry.size) { buffer, initialized in
      let output = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<entry.size])
      try unsafe inflate(entry, of: file, into: output)
      initialized = entry.size
    }
  }

  private static func inflate(
    _ entry: ZipEntry, of file: ReadableFile, into output: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    var stream = unsafe z_stream()
    guard unsafe rl_inflate_init_raw(&stream) == Z_OK else {
      throw ZipProblem.deflateDamaged(entry: entry.name)
    }
    defer { unsafe inflateEnd(&stream) }
    let input = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: pieceSize)
    // Where output goes that the entry should not have: one byte of it is enough to know.
    let surplus = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1)
    defer {
      unsafe input.deallocate()
      unsafe surplus.deallocate()
    }
    var taken = 0
    var produced = 0
    var status = Z_OK
    while status != Z_STREAM_END {
      if unsafe stream.avail_in == 0, taken < entry.compressedSize {
        let piece = unsafe UnsafeMutableBufferPointer(
          rebasing: input[..<min(pieceSize, entry.compressedSize - taken)])
        try unsafe file.read(
          at: entry.dataOffset + taken, into: UnsafeMutableRawBufferPointer(piece))
        unsafe stream.next_in = piece.baseAddress
        unsafe stream.avail_in = UInt32(piece.count)
        taken += piece.count
      }
      let room =
        unsafe produced < output.count
        ? UnsafeMutableBufferPointer(rebasing: output[produced...].prefix(1 << 30)) : surplus
      unsafe stream.next_out = room.baseAddress
      unsafe stream.avail_out = UInt32(room.count)
      status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
      unsafe produced += room.count - Int(stream.avail_out)
      guard produced <= output.count else {
        throw ZipProblem.wrongInflatedSize(
          entry: entry.name, found: produced, expected: output.count)
      }
      // Z_BUF_ERROR: no progress, for the data ended inside a block.
      guard status == Z_OK || status == Z_STREAM_END else {
        throw ZipProblem.deflateDamaged(entry: entry.name)
      }
    }
    guard unsafe stream.avail_in == 0, taken == entry.compressedSize else {
      throw ZipProblem.deflateDamaged(entry: entry.name)
    }
    guard produced == output.count else {
      throw ZipProblem.wrongInflatedSize(
        entry: entry.name, found: produced, expected: output.count)
    }
  }
}
