internal import ByteIO

/// What header, directory, `ADPT` and `TENS` say, checked (Container §1 to §4).
struct ContainerContent: Sendable {
  let header: ContainerHeader
  let chunks: [ChunkInfo]
  /// Nil where it can't be read and faults are kept.
  let description: String?
  /// Nil where it can't be read and faults are kept.
  let table: TensorTable?
  /// The position of the table among the chunks; before it lie those of elements.
  let tableIndex: Int

  /// Reads and checks everything but the chunks of elements and the ancillary ones.
  init(of file: ReadableFile, _ faults: inout FaultHandler) throws {
    header = try ContainerHeader(of: file, &faults)
    chunks = try DirectoryParser.chunks(of: file, header: header, &faults)
    // The directory's parser has seen to it that there is one.
    tableIndex = chunks.firstIndex { $0.type == .tensors } ?? chunks.endIndex
    let (chunk, data) = (chunks[tableIndex], chunks[1..<tableIndex])
    let reader = ChunkReader(file: file)
    description = try ContainerContent.text(of: chunks[0], reader, &faults)
    table =
      try ContainerContent.bytes(of: chunk, reader, &faults).flatMap { bytes in
        try faults.attempt {
          try TensorTableParser.table(bytes, chunk: chunk, data: data, &$0)
        }
      }
  }

  /// The chunks after the table of the tensors.
  var ancillary: ArraySlice<ChunkInfo> { chunks[tableIndex...].dropFirst() }

  private static func text(
    of chunk: ChunkInfo, _ reader: ChunkReader, _ faults: inout FaultHandler
  ) throws -> String? {
    guard let bytes = try bytes(of: chunk, reader, &faults) else { return nil }
    let text = String(validating: bytes, as: UTF8.self)
    if text == nil { try faults.report(.descriptionNotUTF8, .chunk(chunk)) }
    return text
  }

  /// The raw bytes of a chunk; nil where its entry is at fault or they can't be had.
  private static func bytes(
    of chunk: ChunkInfo, _ reader: ChunkReader, _ faults: inout FaultHandler
  ) throws -> [UInt8]? {
    if faults.badChunks.contains(chunk.number) { return nil }
    return try faults.attempt { faults in
      try reader.withRawBytes(of: chunk, &faults) { bytes, _ in Array(bytes) }
    }
  }
}
