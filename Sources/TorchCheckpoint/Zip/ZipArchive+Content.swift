internal import ByteIO
internal import Synchronization

extension ZipArchive {
  /// Fills a buffer from an entry's content, beginning `offset` bytes into it.
  ///
  /// The first read of an entry checks its checksum, once; a deflated one is then decompressed and
  /// held in memory. The range must lie inside the content.
  ///
  /// - Throws: `TorchCheckpointError.archive` for damaged content, the errors of reading.
  package func read(
    entry index: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let entry = entries[index]
    precondition(offset >= 0 && offset <= entry.size && buffer.count <= entry.size - offset)
    let inflated = try TorchCheckpointError.naming(file.path) { try check(entry: index) }
    if let inflated {
      unsafe inflated.withUnsafeBytes {
        unsafe buffer.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + buffer.count)]))
      }
    } else {
      try unsafe file.read(at: entry.dataOffset + offset, into: buffer)
    }
  }

  /// The whole content of a small entry.
  ///
  /// - Throws: `TorchCheckpointError.entryTooLarge` beyond `limit` bytes, before anything is read;
  ///   what `read(entry:at:into:)` throws.
  package func contents(of index: Int, limit: Int) throws -> [UInt8] {
    let entry = entries[index]
    guard entry.size <= limit else {
      throw TorchCheckpointError.entryTooLarge(
        path: file.path, entry: entry.name, found: entry.size, limit: limit)
    }
    return try unsafe [UInt8](unsafeUninitializedCapacity: entry.size) { buffer, initialized in
      try unsafe read(
        entry: index, at: 0,
        into: UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(buffer)[..<entry.size]))
      initialized = entry.size
    }
  }

  /// Checks an entry's content unless that was done; returns it where it had to be decompressed.
  private func check(entry index: Int) throws -> [UInt8]? {
    try states[index].knowledge.withLock { knowledge throws -> [UInt8]? in
      switch knowledge {
      case .checked: return nil
      case .inflated(let bytes): return bytes
      case .unchecked: break
      }
      let entry = entries[index]
      switch entry.method {
      case .stored:
        try checkStored(entry)
        knowledge = .checked
        return nil
      case .deflated:
        let bytes = try Inflater.inflate(entry, of: file)
        var checksum = CRC32()
        unsafe bytes.withUnsafeBytes { unsafe checksum.update($0) }
        try compare(checksum, entry)
        knowledge = .inflated(bytes)
        return bytes
      }
    }
  }

  private func checkStored(_ entry: ZipEntry) throws {
    guard hasChecksums, entry.size > 0 else { return }
    let pieceSize = min(entry.size, 1 << 20)
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 64)
    defer { unsafe piece.deallocate() }
    var checksum = CRC32()
    var done = 0
    while done < entry.size {
      let part = unsafe UnsafeMutableRawBufferPointer(
        rebasing: piece[..<min(pieceSize, entry.size - done)])
      try unsafe file.read(at: entry.dataOffset + done, into: part)
      unsafe checksum.update(UnsafeRawBufferPointer(part))
      done += part.count
    }
    try compare(checksum, entry)
  }

  private func compare(_ checksum: CRC32, _ entry: ZipEntry) throws(ZipProblem) {
    guard !hasChecksums || checksum.value == entry.checksum else {
      throw .wrongChecksum(
        entry: entry.name, found: checksum.value, expected: entry.checksum)
    }
  }
}
