internal import ByteIO

/// Reads the directory and checks every entry (Container §1.1, §3, §4.1).
struct DirectoryParser {
  let header: ContainerHeader
  private(set) var chunks: [ChunkInfo] = []
  /// Where the next chunk must begin.
  private var next = ContainerFormat.headerSize

  init(header: ContainerHeader) { self.header = header }

  /// The chunks of a file.
  ///
  /// Memory: the directory, which is inside the file, and about as much again.
  static func chunks(
    of file: ReadableFile, header: ContainerHeader, _ faults: inout FaultHandler
  ) throws -> [ChunkInfo] {
    let size = header.chunkCount * ContainerFormat.entrySize
    let bytes = try file.bytes(at: header.directoryOffset, count: size)
    let checksum = unsafe bytes.withUnsafeBytes { unsafe CRC32.of($0) }
    if checksum != header.directoryChecksum {
      try faults.report(
        .directoryChecksum(found: checksum, expected: header.directoryChecksum))
    }
    var parser = DirectoryParser(header: header)
    parser.chunks.reserveCapacity(header.chunkCount)
    try parser.parse(bytes, &faults)
    try parser.checkOrder(faults)
    return parser.chunks
  }

  private mutating func parse(_ bytes: [UInt8], _ faults: inout FaultHandler) throws {
    for number in 0..<header.chunkCount {
      try parseEntry(number, bytes, at: number * ContainerFormat.entrySize, &faults)
    }
    if next != header.directoryOffset {
      try faults.report(
        .wrongOffset(found: UInt64(header.directoryOffset), expected: next))
    }
  }

  private mutating func parseEntry(
    _ number: Int, _ bytes: [UInt8], at start: Int, _ faults: inout FaultHandler
  ) throws {
    let typeBytes = Array(bytes[start..<(start + 4)])
    guard let type = ChunkType(bytes: typeBytes) else {
      throw faults.failure(
        .badType(found: typeBytes), ContainerError.Subject(chunk: number))
    }
    let subject = ContainerError.Subject(chunk: number, type: type)
    if type.isCritical, ![.description, .data, .tensors].contains(type) {
      try faults.report(.unknownCriticalChunk, subject)
    }
    // Where faults are kept, the chunk is passed over later and the others can be checked.
    let compression = ChunkCompression(rawValue: bytes[start + 4])
    if compression == nil {
      try faults.report(.unknownCompression(found: Int(bytes[start + 4])), subject)
    }
    let shuffle = Int(bytes[start + 5])
    if ![1, 2, 4, 8].contains(shuffle) {
      try faults.report(.badShuffle(found: shuffle), subject)
    }
    for offset in [6, 7, 36, 37, 38, 39] where bytes[start + offset] != 0 {
      try faults.report(.notZero(part: .entry, offset: offset), subject)
    }
    let offset = bytes.littleEndian(at: start + 8, as: UInt64.self)
    if offset != UInt64(next) {
      try faults.report(.wrongOffset(found: offset, expected: next), subject)
    }
    let stored = bytes.littleEndian(at: start + 16, as: UInt64.self)
    let available = header.directoryOffset - next
    guard available >= 0, stored <= UInt64(available) else {
      throw faults.failure(
        .storedBeyondChunks(found: stored, available: max(0, available)), subject)
    }
    let raw = bytes.littleEndian(at: start + 24, as: UInt64.self)
    guard raw <= UInt64(ContainerFormat.maximumRawLength) else {
      throw faults.failure(.rawTooLarge(found: raw), subject)
    }
    let chunk = ChunkInfo(
      number: number, type: type, compression: compression ?? .none, shuffle: max(1, shuffle),
      offset: next, storedLength: Int(stored), rawLength: Int(raw),
      checksum: bytes.littleEndian(at: start + 32, as: UInt32.self))
    try checkLengths(chunk, &faults)
    chunks.append(chunk)
    next = ContainerFormat.aligned(chunk.end)
  }

  private func checkLengths(_ chunk: ChunkInfo, _ faults: inout FaultHandler) throws {
    let (stored, raw) = (chunk.storedLength, chunk.rawLength)
    if chunk.compression == .none {
      if stored != raw {
        try faults.report(.lengthsDiffer(stored: stored, raw: raw), .chunk(chunk))
      }
    } else if stored >= raw {
      // This also bounds the memory that reading a chunk takes.
      try faults.report(.compressedNotSmaller(stored: stored, raw: raw), .chunk(chunk))
    }
    if chunk.shuffle != 1 {
      if chunk.type != .data { try faults.report(.shuffledOther, .chunk(chunk)) }
      if raw % chunk.shuffle != 0 {
        try faults.report(
          .shuffledPartialElements(raw: raw, width: chunk.shuffle), .chunk(chunk))
      }
    }
  }

  /// First all `ADPT`, then all `DATA`, all `TENS`, and the ancillary chunks (Container §4.1).
  private func checkOrder(_ faults: FaultHandler) throws {
    for type in [ChunkType.description, .tensors] where !chunks.contains(where: { $0.type == type })
    {
      throw faults.failure(.missing(type))
    }
    let order = [ChunkType.description, .data, .tensors]
    var reached = 0
    for chunk in chunks {
      let place = order.firstIndex(of: chunk.type) ?? order.endIndex
      // The first is of the description, and ancillary ones come only after the table.
      guard place >= reached, chunk.number > 0 || place == 0,
        place < order.endIndex || reached + 1 >= order.endIndex
      else { throw faults.failure(.misplaced, .chunk(chunk)) }
      reached = place
    }
  }
}
