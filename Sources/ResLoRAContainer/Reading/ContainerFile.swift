public import ByteIO
public import Tensors

/// A `.reslora` container opened for reading.
///
/// Header, directory, description and table of tensors are read and checked when it is opened
/// (Container §1 to §4); tensors and ancillary chunks are not touched until asked for, and every
/// chunk is checked whenever it is read. Reading is safe from several threads.
public final class ContainerFile: Sendable {
  /// The text that describes the adapter (Adapter §2); UTF-8, not looked into.
  public let description: String
  /// The SHA-256 over names, dtypes, shapes and bytes of all tensors, which tells whether two
  /// files hold the same ones: 64 hexadecimal digits (Container §4.6).
  public let identity: String
  /// The tensors in the order of the file.
  public let tensors: [TensorInfo]
  /// The chunks in the order of the file.
  public let chunks: [ChunkInfo]
  /// How many threads read one large tensor together.
  public let threads: Int

  let file: ReadableFile
  let content: ContainerContent
  let entries: [TensorTable.Entry]
  let readers: IdlePool<ChunkReader>
  private let indices: [TensorName: Int]

  /// Opens a file and checks what describes its content.
  ///
  /// - Parameter threads: how many threads read one large tensor together.
  /// - Throws: `ContainerError` for the first rule that the file breaks, `SystemError`,
  ///   `FileError`.
  public convenience init(path: String, threads: Int = 1) throws {
    try self.init(file: ReadableFile(path: path), threads: threads)
  }

  /// Checks what describes the content of an open file.
  ///
  /// Memory: the directory and at most 100 MB each of description and table, and about as much
  /// again.
  ///
  /// - Parameter threads: how many threads read one large tensor together.
  /// - Throws: `ContainerError` for the first rule that the file breaks, errors of reading.
  public convenience init(file: ReadableFile, threads: Int = 1) throws {
    var faults = FaultHandler(path: file.path)
    let content = try ContainerContent(of: file, &faults)
    guard let opened = Opened(content) else {
      preconditionFailure("without a fault there are description and table")
    }
    self.init(file: file, opened: opened, threads: threads)
  }

  /// What was read of a file of which description and table are there.
  struct Opened {
    let content: ContainerContent
    let description: String
    let table: TensorTable

    init?(_ content: ContainerContent) {
      guard let description = content.description, let table = content.table else { return nil }
      self.content = content
      self.description = description
      self.table = table
    }
  }

  init(file: ReadableFile, opened: Opened, threads: Int) {
    self.file = file
    self.threads = max(1, threads)
    content = opened.content
    description = opened.description
    identity = opened.table.identity.hexadecimal
    entries = opened.table.entries
    tensors = entries.map(\.info)
    chunks = content.chunks
    readers = IdlePool { ChunkReader(file: file) }
    indices = Dictionary(
      tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether a file with these first bytes is a container, or was one before a transfer in text
  /// mode damaged it; opening it then says so (Container §2.1). Four bytes suffice.
  public static func isContainer(prefix: some Sequence<UInt8>) -> Bool {
    prefix.starts(with: ContainerFormat.magic[..<ContainerFormat.magicStart])
  }
}

// MARK: Tensors

extension ContainerFile: TensorSource {
  /// The file's path.
  public var label: String { file.path }

  /// The file's size in bytes.
  public var size: Int { file.size }

  /// The position of the tensor of that name.
  public func index(of name: TensorName) -> Int? { indices[name] }

  /// The SHA-256 of a tensor's bytes as the file states it: 64 hexadecimal digits.
  public func sha256(ofTensor index: Int) -> String { entries[index].digest.hexadecimal }

  /// Where a tensor's bytes lie in the file as they are and without gaps, to be used in place;
  /// nil where it has none or a chunk of it is compressed or shuffled.
  ///
  /// Whoever uses them in place checks nothing, or has `read` check them before.
  public func storedRange(ofTensor index: Int) -> Range<Int>? {
    let pieces = chunks[entries[index].chunks]
    guard let first = pieces.first, pieces.allSatisfy(\.isStoredRaw) else { return nil }
    return first.offset..<(first.offset + tensors[index].byteCount)
  }

  /// The chunks that hold a tensor's bytes, in order.
  public func chunks(ofTensor index: Int) -> ArraySlice<ChunkInfo> {
    chunks[entries[index].chunks]
  }
}

// MARK: Ancillary chunks

extension ContainerFile {
  /// The chunks that neither describe nor hold tensors, in the order of the file, to be read on
  /// request; whoever rewrites the file with the same adapter keeps them (Container §3.1).
  public var ancillaryChunks: [AncillaryChunk] {
    content.ancillary.map { chunk in
      AncillaryChunk(type: chunk.type, byteCount: chunk.rawLength) { try self.rawBytes(of: chunk) }
    }
  }

  /// The raw bytes of one of the file's chunks, at most 16 MiB.
  ///
  /// - Throws: `ContainerError`, errors of reading.
  public func rawBytes(of chunk: ChunkInfo) throws -> [UInt8] {
    precondition(
      chunks.indices.contains(chunk.number) && chunks[chunk.number] == chunk, "another file's chunk"
    )
    return try readers.use { reader in
      var faults = FaultHandler(path: file.path)
      return try unsafe reader.withRawBytes(of: chunk, &faults) { bytes, _ in unsafe Array(bytes) }
    }
  }
}
