internal import ByteIO
public import Tensors

/// Writes `.reslora` containers.
///
/// Tensors are read from their sources piece by piece, on several threads, and written in order;
/// the same content gives the same bytes with any number of threads. The file appears under its
/// name when all of it has been read back and found to be what was written.
///
/// Memory: 4 MiB for each thread, what the codecs take (1 to 2 MiB), the description, and about
/// 200 bytes for each chunk and tensor.
public struct ContainerWriter: Sendable {
  /// How chunks are compressed.
  public var compression: ContainerCompression
  /// How many threads encode chunks.
  public var threads: Int
  /// Called with the bytes of tensors that are done and of all, in order and by one thread at a
  /// time, and once more after the last was verified; an error it throws stops the writer, and
  /// nothing is left of the file.
  public var progress: @Sendable (_ done: Int, _ total: Int) throws -> Void

  /// Prepares a writer.
  public init(
    compression: ContainerCompression = .automatic, threads: Int = 1,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) {
    self.compression = compression
    self.threads = threads
    self.progress = progress
  }

  /// What was written.
  public struct Summary: Sendable {
    /// The size of the file in bytes.
    public let size: Int
    /// The SHA-256 that tells the file's tensors: 64 hexadecimal digits (Container §4.6).
    public let identity: String
    /// The chunks in the order of the file.
    public let chunks: [ChunkInfo]
  }

  /// Writes a description and tensors, both in the order of the description, and then the
  /// ancillary chunks.
  ///
  /// - Parameters:
  ///   - description: the canonical text (Adapter §2.5); not looked into.
  ///   - tensors: of dtype F64, F32, F16 or BF16, their names different.
  ///   - replacing: whether a file in that place may be replaced.
  /// - Throws: `ContainerError` where the format can't hold what is given, errors of the sources
  ///   and of `progress`; `FileError.exists`, `FileError.noSpace`, `FileError.damaged` where the
  ///   file reads back differently, `SystemError`.
  @discardableResult
  public func write(
    description: String, tensors: [TensorReference], ancillary: [AncillaryChunk] = [],
    to path: String, replacing: Bool
  ) throws -> Summary {
    let plan = try ContainerPlan(
      description: description, tensors: tensors, ancillary: ancillary, path: path)
    let file = try OutputFile(path: path, size: plan.largestFileSize, replacing: replacing)
    let assembly = ContainerAssembly(plan: plan, file: file)
    return try assembly.write(compression: compression, threads: threads, progress: progress)
  }

  /// Writes a description and all tensors of a source, in its order.
  ///
  /// - Throws: as `write(description:tensors:ancillary:to:replacing:)`.
  @discardableResult
  public func write(
    description: String, source: any TensorSource, ancillary: [AncillaryChunk] = [],
    to path: String, replacing: Bool
  ) throws -> Summary {
    try write(
      description: description,
      tensors: source.tensors.indices.map { TensorReference(source: source, index: $0) },
      ancillary: ancillary, to: path, replacing: replacing)
  }
}
