internal import ByteIO
internal import Tensors

extension ContainerFile {
  /// Reads bytes of a tensor.
  ///
  /// Every chunk that the range touches is read and checked whole; a caller that reads in pieces
  /// should take multiples of the chunks' raw length (1 MiB in the tool's files), or each piece
  /// costs a chunk. Where the range is the whole tensor, the tensor's checksum is checked too, and
  /// several threads share the work where that was asked for. Uncompressed chunks are read right
  /// into `buffer`.
  ///
  /// Memory: for each thread at most three times the largest chunk's raw length, kept for the next
  /// call.
  ///
  /// - Throws: `ContainerError`, errors of reading.
  public func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let entry = entries[index]
    precondition(
      byteOffset >= 0 && byteOffset <= entry.info.byteCount - buffer.count, "outside the tensor")
    guard unsafe !buffer.isEmpty else { return }
    guard buffer.count == entry.info.byteCount else {
      return try unsafe readPart(entry, at: byteOffset, into: buffer)
    }
    let checksum = try unsafe readWhole(entry, into: buffer)
    guard checksum.value == entry.checksum else {
      throw ContainerError(
        path: file.path, subject: .init(tensor: entry.info.name),
        problem: .tensorChecksum(found: checksum.value, expected: entry.checksum))
    }
  }

  /// Reads all chunks of a tensor; the checksum of its bytes.
  private func readWhole(
    _ entry: TensorTable.Entry, into buffer: UnsafeMutableRawBufferPointer
  ) throws -> ContainerChecksum {
    let pieces = chunks[entry.chunks]
    let length = pieces.first?.rawLength ?? 0
    // Each task writes its own part of the buffer.
    nonisolated(unsafe) let target = unsafe buffer
    let read: @Sendable (ChunkReader, Int) throws -> ContainerChecksum = { reader, piece in
      let chunk = pieces[pieces.startIndex + piece]
      let part = unsafe UnsafeMutableRawBufferPointer(
        rebasing: target[(piece * length)..<(piece * length + chunk.rawLength)])
      var faults = FaultHandler(path: self.file.path, tensor: entry.info.name)
      return try unsafe reader.read(chunk, into: part, summingRaw: true, &faults)
    }
    var checksum = ContainerChecksum()
    if threads == 1 || pieces.count == 1 {
      try readers.use { reader in
        for piece in 0..<pieces.count { checksum.append(try read(reader, piece)) }
      }
    } else {
      for part in try Parallel.map(
        pieces.count, threads: threads,
        { piece in
          try self.readers.use { try read($0, piece) }
        })
      { checksum.append(part) }
    }
    return checksum
  }

  private func readPart(
    _ entry: TensorTable.Entry, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let length = chunks[entry.chunks.lowerBound].rawLength
    var faults = FaultHandler(path: file.path, tensor: entry.info.name)
    try readers.use { reader in
      var done = 0
      while done < buffer.count {
        let position = byteOffset + done
        let chunk = chunks[entry.chunks.lowerBound + position / length]
        let start = position % length
        let count = min(chunk.rawLength - start, buffer.count - done)
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + count)])
        if count == chunk.rawLength {
          try unsafe reader.read(chunk, into: target, summingRaw: false, &faults)
        } else {
          try unsafe reader.withRawBytes(of: chunk, &faults) { bytes, _ in
            unsafe target.copyMemory(
              from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)]))
          }
        }
        done += count
      }
    }
  }
}
