internal import ByteIO
internal import Tensors

/// Reads the table of the tensors and checks each against the chunks that are its (Container §4.3,
/// §4.4, §4.6).
struct TensorTableParser {
  private let bytes: [UInt8]
  /// All `DATA` chunks of the file.
  private let data: ArraySlice<ChunkInfo>
  private let chunk: ChunkInfo
  private var position = TensorTable.headSize
  /// The number of chunks that tensors so far have.
  private var claimed = 0
  private var names: Set<TensorName> = []

  /// Checks a table.
  ///
  /// Where faults are kept, tensors that can't be are left out.
  static func table(
    _ bytes: [UInt8], chunk: ChunkInfo, data: ArraySlice<ChunkInfo>, _ faults: inout FaultHandler
  ) throws -> TensorTable {
    var parser = TensorTableParser(bytes: bytes, data: data, chunk: chunk)
    return try parser.parse(&faults)
  }

  private init(bytes: [UInt8], data: ArraySlice<ChunkInfo>, chunk: ChunkInfo) {
    self.bytes = bytes
    self.data = data
    self.chunk = chunk
  }

  private mutating func parse(_ faults: inout FaultHandler) throws -> TensorTable {
    guard bytes.count >= TensorTable.headSize else {
      throw faults.failure(.tableCut(tensor: nil), .chunk(chunk))
    }
    let count = Int(bytes.littleEndian(at: 0, as: UInt32.self))
    guard count <= ContainerFormat.maximumTensors else {
      throw faults.failure(.tooManyTensors(found: count), .chunk(chunk))
    }
    try checkZeros(4..<8, &faults)
    guard let identity = SHA256Digest(bytes: Array(bytes[8..<40])) else {
      preconditionFailure("32 bytes")
    }
    var table = TensorTable(identity: identity)
    table.entries.reserveCapacity(
      min(count, (bytes.count - position) / TensorTable.fixedEntrySize))
    for number in 0..<count {
      if let entry = try parseEntry(number, &faults) { table.entries.append(entry) }
    }
    if position < bytes.count {
      try faults.report(.tableTooLong(found: bytes.count - position), .chunk(chunk))
    }
    if claimed < data.count {
      try faults.report(.unclaimedChunks(found: data.count - claimed), .chunk(chunk))
    }
    if table.entries.count == count {
      let found = TensorTable.identity(of: table.entries.map { ($0.info, $0.digest) })
      if found != identity {
        try faults.report(
          .identity(found: found.hexadecimal, expected: identity.hexadecimal), .chunk(chunk))
      }
    }
    return table
  }

  /// One entry; nil where the tensor can't be and faults are kept.
  private mutating func parseEntry(
    _ number: Int, _ faults: inout FaultHandler
  ) throws -> TensorTable.Entry? {
    let start = position
    let cut = faults.failure(.tableCut(tensor: number), .chunk(chunk))
    guard bytes.count - start >= TensorTable.fixedEntrySize else { throw cut }
    let nameLength = Int(bytes.littleEndian(at: start, as: UInt16.self))
    let dimensions = Int(bytes[start + 3])
    let shapeStart = start + TensorTable.fixedEntrySize
    let nameStart = shapeStart + 8 * dimensions
    let end = nameStart + nameLength
    guard (end + 7) & ~7 <= bytes.count else { throw cut }
    position = (end + 7) & ~7
    try checkZeros(end..<position, &faults)

    let first = Int(bytes.littleEndian(at: start + 4, as: UInt32.self))
    let count = Int(bytes.littleEndian(at: start + 8, as: UInt32.self))
    guard nameLength > 0, !bytes[nameStart..<end].contains(0),
      let text = String(validating: bytes[nameStart..<end], as: UTF8.self)
    else {
      claimed += min(count, data.count - claimed)
      try faults.report(.badName(tensor: number), .chunk(chunk))
      return nil
    }
    let name = TensorName(text)
    let subject = ContainerError.Subject.chunk(chunk, tensor: name)
    if !names.insert(name).inserted { try faults.report(.duplicateName, subject) }
    let pieces = try claim(first: first, count: count, subject, &faults)
    guard
      let info = try parseInfo(
        name, dtype: bytes[start + 2], shapeStart, dimensions, subject, &faults)
    else { return nil }
    try checkPieces(pieces, info, subject, &faults)
    guard let digest = SHA256Digest(bytes: Array(bytes[(start + 16)..<(start + 48)])) else {
      preconditionFailure("32 bytes")
    }
    return TensorTable.Entry(
      info: info, chunks: pieces.indices,
      checksum: bytes.littleEndian(at: start + 12, as: UInt32.self), digest: digest)
  }

  private func parseInfo(
    _ name: TensorName, dtype code: UInt8, _ shapeStart: Int, _ dimensions: Int,
    _ subject: ContainerError.Subject, _ faults: inout FaultHandler
  ) throws -> TensorInfo? {
    guard let dtype = DType(containerCode: code) else {
      try faults.report(.unknownDType(found: Int(code)), subject)
      return nil
    }
    guard dimensions <= TensorInfo.maximumRank else {
      try faults.report(.tooManyDimensions(found: dimensions), subject)
      return nil
    }
    let shape = (0..<dimensions).compactMap {
      Int(exactly: bytes.littleEndian(at: shapeStart + 8 * $0, as: UInt64.self))
    }
    guard shape.count == dimensions,
      let info = try? TensorInfo(name: name, dtype: dtype, shape: shape)
    else {
      try faults.report(.sizeOverflow, subject)
      return nil
    }
    return info
  }

  /// The chunks of the next tensor.
  private mutating func claim(
    first: Int, count: Int, _ subject: ContainerError.Subject, _ faults: inout FaultHandler
  ) throws -> ArraySlice<ChunkInfo> {
    if first != claimed {
      try faults.report(.firstChunk(found: first, expected: claimed), subject)
    }
    let available = data.count - claimed
    if count > available {
      try faults.report(.chunkCount(found: count, available: available), subject)
    }
    let start = data.startIndex + claimed
    claimed += min(count, available)
    return data[start..<(data.startIndex + claimed)]
  }

  private func checkPieces(
    _ pieces: ArraySlice<ChunkInfo>, _ info: TensorInfo, _ subject: ContainerError.Subject,
    _ faults: inout FaultHandler
  ) throws {
    var total = 0
    let length = pieces.first?.rawLength ?? 0
    for piece in pieces {
      let place = ContainerError.Subject.chunk(piece, tensor: info.name)
      let width = info.dtype.elementByteCount
      if piece.shuffle != 1 && piece.shuffle != width {
        try faults.report(.shuffleWidth(found: piece.shuffle, expected: width), place)
      }
      let found = piece.rawLength
      if piece.number + 1 == pieces.endIndex {
        let most = pieces.count == 1 ? ContainerFormat.maximumRawLength : length
        if found == 0 || found > most {
          try faults.report(.pieceLength(found: found, expected: .atMost(most)), place)
        }
      } else if piece.number == pieces.startIndex {
        if length == 0 || length % ContainerFormat.alignment != 0 {
          try faults.report(.pieceLength(found: length, expected: .multipleOf64), place)
        }
      } else if found != length {
        try faults.report(.pieceLength(found: found, expected: .first(length)), place)
      }
      total += found
    }
    if total != info.byteCount {
      try faults.report(.tensorSize(found: total, expected: info.byteCount), subject)
    }
  }

  private func checkZeros(_ range: Range<Int>, _ faults: inout FaultHandler) throws {
    if let offset = range.first(where: { bytes[$0] != 0 }) {
      try faults.report(.notZero(part: .table, offset: offset), .chunk(chunk))
    }
  }
}
