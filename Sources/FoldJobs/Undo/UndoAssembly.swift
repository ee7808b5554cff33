internal import ByteIO

/// Puts spooled spans into their order and adds all other parts (Undo §1.1).
struct UndoAssembly {
  /// The spans in the order of the file, at their positions in the spool.
  let spans: [UndoChunk]
  let description: [UInt8]
  let path: String
  let replacing: Bool
  /// Whether a file is there that this one must be equal to.
  let isThere: Bool

  /// Completes the file that the spool becomes, or a new one; its size.
  func finish(_ spool: OutputFile, threads: Int) throws -> Int {
    let encoder = SpanEncoder()
    let pieces = stride(from: 0, to: description.count, by: UndoFormat.maximumRawLength).map {
      $0..<min(description.count, $0 + UndoFormat.maximumRawLength)
    }
    let count = spans.count + pieces.count
    guard count <= UndoFormat.maximumChunks else {
      throw UndoError(
        path: path, problem: .tooMany("chunks", found: count, limit: UndoFormat.maximumChunks))
    }
    var chunks: [UndoChunk] = []
    chunks.reserveCapacity(count)
    var position = UndoFormat.headerSize
    for var span in spans {
      span.position = position
      position += span.storedLength
      chunks.append(span)
    }
    let isInOrder = zip(chunks, spans).allSatisfy { $0.position == $1.position }
    let file =
      isInOrder ? spool : try OutputFile(path: path, size: position, replacing: replacing)
    if !isInOrder { try copy(from: spool, to: file, chunks) }
    for piece in pieces {
      try unsafe description[piece].withUnsafeBytes { piece in
        var encoded = unsafe encoder.encode(piece)
        unsafe encoded.chunk.position = position
        try unsafe file.write(encoded.bytes, at: position)
        unsafe position += encoded.bytes.count
        unsafe chunks.append(encoded.chunk)
      }
    }
    let directory = chunks.flatMap(\.bytes)
    let header = unsafe UndoHeader(
      fileLength: position + directory.count, directoryOffset: position, chunkCount: count,
      directoryChecksum: directory.withUnsafeBytes { unsafe CRC32.of($0) })
    try unsafe directory.withUnsafeBytes { try unsafe file.write($0, at: position) }
    try unsafe header.bytes.withUnsafeBytes { try unsafe file.write($0, at: 0) }
    try file.synchronize()
    try file.confirm(header.bytes, at: 0)
    try file.confirm(directory, at: position)
    try UndoAssembly.confirm(file, chunks, threads: threads)
    if isThere {
      guard
        try SHA256Hasher.digest(ofFile: file.temporaryPath) == SHA256Hasher.digest(ofFile: path)
      else { throw FileError.exists(path: path) }
    }
    try file.commit(size: header.fileLength)
    return header.fileLength
  }

  private func copy(from spool: OutputFile, to file: OutputFile, _ chunks: [UndoChunk]) throws {
    let source = try ReadableFile(path: spool.temporaryPath)
    let scratch = AlignedBuffer(byteCount: 1 << 20)
    for (chunk, span) in zip(chunks, spans) {
      try unsafe file.copy(
        from: source, at: span.position, count: span.storedLength, to: chunk.position,
        scratch: scratch.bytes)
    }
  }

  /// Reads every chunk back and compares its checksum with that of what was encoded.
  private static func confirm(_ file: OutputFile, _ chunks: [UndoChunk], threads: Int) throws {
    _ = try Parallel.map(
      chunks.count, threads: threads, context: { AlignedBuffer(byteCount: 1 << 20) }
    ) { buffer, number in
      let chunk = chunks[number]
      if unsafe buffer.bytes.count < chunk.storedLength {
        buffer = AlignedBuffer(byteCount: chunk.storedLength)
      }
      let bytes = unsafe buffer.prefix(chunk.storedLength)
      try unsafe file.readBack(at: chunk.position, into: bytes)
      guard unsafe CRC32.of(UnsafeRawBufferPointer(bytes)) == chunk.checksum else {
        throw FileError.damaged(path: file.path, offset: chunk.position)
      }
    }
  }
}
