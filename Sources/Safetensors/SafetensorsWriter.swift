internal import ByteIO
public import Tensors

/// Writes a safetensors file tensor by tensor, in any order and from several threads, without
/// holding any of it in memory; the file appears when it is committed.
public final class SafetensorsWriter: TensorSink {
  /// Where everything goes.
  public let layout: SafetensorsLayout

  private let file: OutputFile

  /// Creates the temporary file, reserves its space and writes the header.
  ///
  /// - Throws: `SafetensorsError` where nobody could read the file; `FileError.exists` where the
  ///   path is taken and `replacing` is false, `FileError.noSpace`, `SystemError`.
  public init(path: String, layout: SafetensorsLayout, replacing: Bool) throws {
    try layout.check(for: path)
    self.layout = layout
    file = try OutputFile(path: path, size: layout.fileSize, replacing: replacing)
    try unsafe layout.headerBytes.withUnsafeBytes { try unsafe file.write($0, at: 0) }
  }

  /// Where the file will appear.
  public var path: String { file.path }
  /// The tensors in the order of their data.
  public var tensors: [TensorInfo] { layout.tensors }

  /// Writes bytes into a tensor.
  public func write(_ bytes: UnsafeRawBufferPointer, tensor index: Int, at byteOffset: Int) throws {
    try unsafe file.write(bytes, at: layout.offsets[index] + byteOffset)
  }

  /// Shares the blocks of a source that lies in files, where the file system can and both lie alike
  /// in their blocks.
  public func share(
    _ reference: TensorReference, at byteOffset: Int, count: Int, tensor index: Int
  ) throws -> Bool {
    guard let source = reference.source as? any FileBackedTensorSource else { return false }
    let (input, offset) = source.location(of: reference.index)
    return try file.share(
      from: input, at: offset + byteOffset, count: count, to: layout.offsets[index] + byteOffset)
  }

  /// Reads back bytes of a tensor.
  public func readBack(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    try unsafe file.readBack(at: layout.offsets[index] + byteOffset, into: buffer)
  }

  /// Flushes what was written, so that reading it back tells what the disk has.
  public func synchronize() throws { try file.synchronize() }

  /// Checks the header as written and gives the file its name.
  ///
  /// - Throws: `FileError.damaged` where the header reads back differently; as `OutputFile.commit`.
  public func commit() throws {
    try file.confirm(layout.headerBytes, at: 0)
    try file.commit()
  }

  /// Writes all tensors of a source into one file, reads them back and gives the file its name.
  ///
  /// Tensors are streamed in pieces of 4 MiB, so memory does not depend on their size.
  ///
  /// - Parameter progress: called with the bytes written and to be written; an error it throws stops
  ///   the work and leaves nothing.
  /// - Throws: as `init`, `commit`; errors of the source; `FileError.damaged`.
  public static func write(
    _ source: any TensorSource, metadata: [(key: String, value: String)], to path: String,
    replacing: Bool, progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws {
    let layout = SafetensorsLayout(tensors: source.tensors, metadata: metadata)
    let writer = try SafetensorsWriter(path: path, layout: layout, replacing: replacing)
    let total = source.byteCount
    var done = 0
    for (position, info) in layout.tensors.enumerated() {
      guard let index = source.index(of: info.name) else {
        preconditionFailure("a source knows its tensors")
      }
      for offset in stride(from: 0, to: info.byteCount, by: pieceSize) {
        let piece = try source.bytes(
          of: index, range: offset..<min(info.byteCount, offset + pieceSize))
        try unsafe piece.withUnsafeBytes {
          try unsafe writer.write($0, tensor: position, at: offset)
        }
        try writer.file.confirm(piece, at: layout.offsets[position] + offset)
        done += piece.count
        try progress(done, total)
      }
    }
    try writer.commit()
  }

  private static let pieceSize = 4 << 20
}
