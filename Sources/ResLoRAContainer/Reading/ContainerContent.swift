internal import ByteIO

/// What header, directory, `ADPT` and `TENS` say, checked (Container §1 to §4).
struct ContainerContent: Sendable {
  let header: ContainerHeader
  let chunks: [ChunkInfo]
  /// Nil where it can't be read and faults are kept.
  let description: String?
  /// Nil where it can't be read and faults are kept.
  let table: TensorTable?
  /// The chunks of elements, by their numbers; before them lie those of the description.
  let data: Range<Int>
  /// The chunks of the table, by their numbers; after them lie the ancillary ones.
  let tables: Range<Int>

  /// Reads and checks everything but the chunks of elements and the ancillary ones.
  init(of file: ReadableFile, _ faults: inout FaultHandler) throws {
    header = try ContainerHeader(of: file, &faults)
    chunks = try DirectoryParser.chunks(of: file, header: header, &faults)
    // The directory's parser has seen to it that they come in this order.
    let start = ContainerContent.count(of: .description, in: chunks)
    let end = start + ContainerContent.count(of: .data, in: chunks)
    data = start..<end
    tables = end..<(end + ContainerContent.count(of: .tensors, in: chunks))
    let reader = ChunkReader(file: file)
    description = try ContainerContent.text(of: chunks[..<start], reader, &faults)
    let (elements, first) = (chunks[data], chunks[tables.lowerBound])
    table =
      try ContainerContent.bytes(of: chunks[tables], reader, &faults).flatMap { bytes in
        try faults.attempt {
          try TensorTableParser.table(bytes, chunk: first, data: elements, &$0)
        }
      }
  }

  /// The chunks after the table of the tensors.
  var ancillary: ArraySlice<ChunkInfo> { chunks[tables.upperBound...] }

  private static func count(of type: ChunkType, in chunks: [ChunkInfo]) -> Int {
    chunks.count { $0.type == type }
  }

  private static func text(
    of chunks: ArraySlice<ChunkInfo>, _ reader: ChunkReader, _ faults: inout FaultHandler
  ) throws -> String? {
    guard let bytes = try bytes(of: chunks, reader, &faults), let first = chunks.first else {
      return nil
    }
    let text = String(validating: bytes, as: UTF8.self)
    if text == nil { try faults.report(.descriptionNotUTF8, .chunk(first)) }
    return text
  }

  /// The raw bytes of a description or a table; nil where an entry of its pieces is at fault or
  /// they can't be had.
  private static func bytes(
    of pieces: ArraySlice<ChunkInfo>, _ reader: ChunkReader, _ faults: inout FaultHandler
  ) throws -> [UInt8]? {
    try checkLengths(of: pieces, &faults)
    guard faults.badChunks.isDisjoint(with: pieces.indices) else { return nil }
    return try faults.attempt { faults in
      var result: [UInt8] = []
      for piece in pieces {
        try unsafe reader.withRawBytes(of: piece, &faults) { bytes, _ in unsafe result += bytes }
      }
      return result
    }
  }

  /// Container §4.1.
  private static func checkLengths(
    of pieces: ArraySlice<ChunkInfo>, _ faults: inout FaultHandler
  ) throws {
    let full = ContainerFormat.maximumRawLength
    for piece in pieces.dropLast() where piece.rawLength != full {
      try faults.report(.partPiece(found: piece.rawLength, expected: full), .chunk(piece))
    }
    guard pieces.count > 1, let last = pieces.last else { return }
    if last.rawLength == 0 {
      try faults.report(.partPiece(found: 0, expected: nil), .chunk(last))
    }
    let total = pieces.reduce(0) { $0 + $1.rawLength }
    if total > ContainerFormat.maximumPartLength {
      throw faults.failure(.partTooLarge(last.type, found: total))
    }
  }
}
