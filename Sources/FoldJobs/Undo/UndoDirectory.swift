internal import ByteIO
internal import Tensors

/// The directory of an undo file, and the rules that follow from it alone (Undo §3, §4.2).
enum UndoDirectory {
  /// Reads and checks the entries; positions follow from lengths.
  static func read(_ file: ReadableFile, _ header: UndoHeader) throws -> [UndoChunk] {
    let bytes = try file.bytes(
      at: header.directoryOffset, count: file.size - header.directoryOffset)
    guard unsafe bytes.withUnsafeBytes({ unsafe CRC32.of($0) }) == header.directoryChecksum else {
      throw UndoError(path: file.path, problem: .checksum(part: "directory"))
    }
    var position = UndoFormat.headerSize
    var previous = 0
    let chunks = try (0..<header.chunkCount).map { number in
      let chunk = try entry(bytes, number, position: position, path: file.path)
      guard chunk.storedLength <= header.directoryOffset - position else {
        throw malformed("chunk \(number) reaches into the directory", file.path)
      }
      // Spans, then the description, then what others add.
      let rank = chunk.type == UndoChunk.span ? 0 : chunk.type == UndoChunk.base ? 1 : 2
      guard rank >= previous else { throw malformed("chunk \(number) out of order", file.path) }
      previous = rank
      position += chunk.storedLength
      return chunk
    }
    guard position == header.directoryOffset else {
      throw malformed("bytes between chunks and directory", file.path)
    }
    return chunks
  }

  private static func entry(
    _ bytes: [UInt8], _ number: Int, position: Int, path: String
  ) throws -> UndoChunk {
    let start = number * UndoFormat.entrySize
    let type = Array(bytes[start..<(start + 4)])
    let (compression, shuffle) = (bytes[start + 4], Int(bytes[start + 5]))
    let offset = bytes.littleEndian(at: start + 24, as: UInt64.self)
    guard type.allSatisfy({ (0x41...0x5A).contains($0 & ~0x20) }), [0, 2].contains(compression),
      [1, 2, 4, 8].contains(shuffle), bytes[start + 6] == 0, bytes[start + 7] == 0,
      let offset = Int(exactly: offset)
    else { throw malformed("entry of chunk \(number)", path) }
    let chunk = UndoChunk(
      type: type, isCompressed: compression == 2, shuffle: shuffle,
      storedLength: Int(bytes.littleEndian(at: start + 8, as: UInt32.self)),
      rawLength: Int(bytes.littleEndian(at: start + 12, as: UInt32.self)),
      checksum: bytes.littleEndian(at: start + 16, as: UInt32.self),
      tensor: Int(bytes.littleEndian(at: start + 20, as: UInt32.self)), offset: offset,
      position: position)
    guard chunk.rawLength <= UndoFormat.maximumRawLength, chunk.rawLength > 0,
      chunk.rawLength % shuffle == 0,
      chunk.isCompressed
        ? chunk.storedLength < chunk.rawLength : chunk.storedLength == chunk.rawLength
    else { throw malformed("lengths of chunk \(number)", path) }
    if type == UndoChunk.span { return chunk }
    guard shuffle == 1, chunk.tensor == 0, chunk.offset == 0 else {
      throw malformed("entry of chunk \(number)", path)
    }
    guard type == UndoChunk.base || !chunk.isCritical else {
      throw UndoError(
        path: path, problem: .unknownChunk(type: String(decoding: type, as: UTF8.self)))
    }
    return chunk
  }

  /// The chunks of each changed tensor; spans are in order, inside their tensors and apart.
  static func spans(
    _ chunks: [UndoChunk], changed: [TensorInfo], path: String
  ) throws -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var end = 0
    for (number, chunk) in chunks.enumerated() where chunk.type == UndoChunk.span {
      if chunk.tensor == ranges.count, chunk.tensor < changed.count {
        ranges.append(number..<number)
        end = 0
      }
      guard chunk.tensor == ranges.count - 1, chunk.offset >= end,
        chunk.offset <= changed[chunk.tensor].byteCount - chunk.rawLength
      else {
        throw UndoError(
          path: path,
          problem: .malformed(
            "chunk \(number) outside its tensor or out of order", rule: "§4.2"))
      }
      end = chunk.offset + chunk.rawLength
      ranges[chunk.tensor] = ranges[chunk.tensor].lowerBound..<(number + 1)
    }
    guard ranges.count == changed.count else {
      throw UndoError(
        path: path, problem: .malformed("a changed tensor without spans", rule: "§4.2"))
    }
    return ranges
  }

  private static func malformed(_ what: String, _ path: String) -> UndoError {
    UndoError(path: path, problem: .malformed(what, rule: "§3"))
  }
}
