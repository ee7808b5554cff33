internal import ByteIO
internal import Synchronization
internal import Tensors

/// A container while it is written: what has its place in the file already.
final class ContainerAssembly: Sendable {
  fileprivate struct State {
    /// Where the next chunk begins.
    var next = ContainerFormat.headerSize
    var chunks: [ChunkInfo] = []
    var bytesDone = 0
    var hasher = SHA256Hasher()
    var checksum = ContainerChecksum()
    var finished: [(digest: SHA256Digest, checksum: UInt32)] = []
  }

  private let plan: ContainerPlan
  private let file: OutputFile
  private let state = Mutex(State())

  init(plan: ContainerPlan, file: OutputFile) {
    self.plan = plan
    self.file = file
  }

  func write(
    compression: ContainerCompression, threads: Int,
    progress: @Sendable (Int, Int) throws -> Void
  ) throws -> ContainerWriter.Summary {
    let total = plan.byteCount
    let encoder = ChunkEncoder(compression)
    try append(part: .description, plan.description, encoder)
    try writePieces(compression, threads) { try progress($0, total) }
    let table = finishTable()
    try append(part: .tensors, table.bytes(firstDataChunk: plan.firstDataChunk), encoder)
    for chunk in plan.ancillary {
      let bytes = try chunk.bytes()
      precondition(bytes.count == chunk.byteCount, "\(chunk.type) has changed its size")
      try append(chunk.type, bytes[...], encoder)
    }
    let summary = try finish(identity: table.identity, threads)
    try progress(total, total)
    try file.commit(size: summary.size)
    return summary
  }

  // MARK: Chunks

  private func append(part type: ChunkType, _ bytes: [UInt8], _ encoder: ChunkEncoder) throws {
    for piece in ContainerFormat.pieces(ofPart: bytes.count) {
      try append(type, bytes[piece], encoder)
    }
  }

  private func append(
    _ type: ChunkType, _ bytes: ArraySlice<UInt8>, _ encoder: ChunkEncoder
  ) throws {
    try unsafe bytes.withUnsafeBytes { bytes in
      let encoded = unsafe encoder.encode(bytes, width: 1)
      let chunk = state.withLock { $0.place(type, encoded, rawLength: bytes.count) }
      try unsafe file.write(encoded.bytes, at: chunk.offset)
    }
  }

  /// Encodes the pieces in parallel; each waits for its turn to get its place in the file.
  private func writePieces(
    _ compression: ContainerCompression, _ threads: Int,
    progress: @Sendable (Int) throws -> Void
  ) throws {
    let turnstile = Turnstile()
    _ = try Parallel.map(
      plan.pieces.count, threads: threads, context: { ChunkEncoder(compression) }
    ) { encoder, number in
      do {
        try self.writePiece(number, encoder, turnstile, progress)
      } catch {
        turnstile.stop(at: number)
        throw error
      }
    }
    state.withLock { $0.finishTensors(before: plan.infos.count) }
  }

  private func writePiece(
    _ number: Int, _ encoder: ChunkEncoder, _ turnstile: Turnstile,
    _ progress: (Int) throws -> Void
  ) throws {
    let piece = plan.pieces[number]
    let reference = plan.tensors[piece.tensor]
    let buffer = unsafe encoder.rawBuffer(piece.range.count)
    try unsafe reference.source.read(
      tensor: reference.index, at: piece.range.lowerBound, into: buffer)
    let raw = UnsafeRawBufferPointer(buffer)
    let checksum = unsafe ContainerChecksum(of: raw)
    let encoded = unsafe encoder.encode(
      raw, width: plan.infos[piece.tensor].dtype.elementByteCount, checksum: checksum)
    // An earlier piece failed, and its error is the one that counts.
    guard turnstile.wait(for: number) else { throw CancellationError() }
    let (chunk, done) = state.withLock { state in
      state.finishTensors(before: piece.tensor)
      unsafe state.hasher.update(raw)
      state.checksum.append(checksum)
      state.bytesDone += raw.count
      return (state.place(.data, encoded, rawLength: raw.count), state.bytesDone)
    }
    try progress(done)
    turnstile.pass()
    try unsafe file.write(encoded.bytes, at: chunk.offset)
  }

  // MARK: The end

  private func finishTable() -> TensorTable {
    let chunks = plan.tensorChunks
    return state.withLock { state in
      let entries = plan.infos.indices.map { tensor in
        TensorTable.Entry(
          info: plan.infos[tensor], chunks: chunks[tensor],
          checksum: state.finished[tensor].checksum, digest: state.finished[tensor].digest)
      }
      return TensorTable(
        entries: entries,
        identity: TensorTable.identity(of: entries.map { ($0.info, $0.digest) }))
    }
  }

  /// Writes directory and header, and reads everything back.
  private func finish(
    identity: SHA256Digest, _ threads: Int
  ) throws -> ContainerWriter.Summary {
    let (chunks, end) = state.withLock { ($0.chunks, $0.next) }
    let directory = chunks.flatMap(\.directoryEntry)
    let header = unsafe ContainerHeader(
      fileLength: end + directory.count, directoryOffset: end, chunkCount: chunks.count,
      directoryChecksum: directory.withUnsafeBytes { unsafe CRC32.of($0) })
    try unsafe directory.withUnsafeBytes { try unsafe file.write($0, at: end) }
    try unsafe header.bytes.withUnsafeBytes { try unsafe file.write($0, at: 0) }
    try file.synchronize()
    try file.confirm(header.bytes, at: 0)
    try file.confirm(directory, at: end)
    _ = try Parallel.map(
      chunks.count, threads: threads,
      context: { AlignedBuffer(byteCount: ContainerFormat.pieceLength) }
    ) { buffer, number in
      try self.confirm(chunks[number], &buffer)
    }
    return ContainerWriter.Summary(
      size: header.fileLength, identity: identity.hexadecimal, chunks: chunks)
  }

  /// Reads a chunk back with the padding after it.
  private func confirm(_ chunk: ChunkInfo, _ buffer: inout AlignedBuffer) throws {
    let size = ContainerFormat.aligned(chunk.storedLength)
    if unsafe buffer.bytes.count < size { buffer = AlignedBuffer(byteCount: size) }
    let bytes = unsafe buffer.prefix(size)
    try unsafe file.readBack(at: chunk.offset, into: bytes)
    let stored = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<chunk.storedLength])
    guard unsafe chunk.checksum(ofStored: ContainerChecksum(of: stored)) == chunk.checksum,
      unsafe bytes[chunk.storedLength...].allSatisfy({ $0 == 0 })
    else { throw FileError.damaged(path: file.path, offset: chunk.offset) }
  }
}

extension ContainerAssembly.State {
  /// Gives the next chunk its number and place.
  mutating func place(
    _ type: ChunkType, _ encoded: ChunkEncoder.Encoded, rawLength: Int
  ) -> ChunkInfo {
    var checksum = ChunkInfo.checksumStart(number: chunks.count, type: type)
    checksum.append(encoded.checksum)
    let chunk = unsafe ChunkInfo(
      number: chunks.count, type: type, compression: encoded.compression, shuffle: encoded.shuffle,
      offset: next, storedLength: encoded.bytes.count, rawLength: rawLength,
      checksum: checksum.value)
    chunks.append(chunk)
    next = ContainerFormat.aligned(chunk.end)
    return chunk
  }

  /// Ends the computations of all tensors before one.
  mutating func finishTensors(before tensor: Int) {
    while finished.count < tensor {
      finished.append((hasher.finish(), checksum.value))
      hasher = SHA256Hasher()
      checksum = ContainerChecksum()
    }
  }
}

extension ChunkInfo {
  /// The chunk's 40 bytes in the directory (Container §3).
  fileprivate var directoryEntry: [UInt8] {
    type.bytes + [compression.rawValue, UInt8(shuffle), 0, 0]
      + littleEndianBytes(UInt64(offset)) + littleEndianBytes(UInt64(storedLength))
      + littleEndianBytes(UInt64(rawLength)) + littleEndianBytes(checksum) + [0, 0, 0, 0]
  }
}
