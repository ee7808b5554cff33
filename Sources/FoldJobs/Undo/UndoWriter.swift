package import ByteIO
internal import Safetensors
internal import Synchronization
package import Tensors

/// Writes an undo file while a fold runs: the differences of tiles from any thread in any order.
///
/// The bytes of the file depend on the base and the tiles only, not on threads or timing: tiles are
/// spooled in the order they come and, unless that happens to be the order of the base, copied once
/// into it at the end. So twice the size of the file is taken on the disk for a while.
///
/// Memory: 4 times the size of a tile for each thread in `record`, about 80 bytes for each tile,
/// and a few times the base's headers. The file appears under its name when all of it has been read
/// back and found to be what was written.
package final class UndoWriter: Sendable {
  private struct Spool {
    var position = UndoFormat.headerSize
    var spans: [UndoChunk] = []
  }

  /// What was written.
  package struct Summary: Sendable, Equatable {
    /// The size of the file in bytes.
    package let size: Int
    /// The number of tensors that differ.
    package let tensorsChanged: Int
    /// The bytes of the tiles that differ, before compression.
    package let bytesCovered: Int
  }

  private let base: UndoBase
  private let order: [TensorName: Int]
  private let names: [TensorName]
  private let file: OutputFile
  private let replacing: Bool
  /// Whether a file of that name is there that has to come out the same.
  private let isThere: Bool
  private let encoders = IdlePool { SpanEncoder() }
  private let spool = Mutex(Spool())

  /// Checks that a file can appear under a path: nothing is there, or what may be replaced, or an
  /// undo file of this base, as a run leaves that is cut short before its output appears. Such a
  /// file has to come out the same.
  ///
  /// - Returns: whether such a file is there.
  /// - Throws: `FileError.exists`, `FileError.notARegularFile`, `SystemError`.
  package static func check(path: String, base: UndoBase, replacing: Bool) throws -> Bool {
    if !replacing, try Paths.kind(of: path) == .file, let found = try? UndoFile(path: path),
      found.base.describesSame(as: base)
    {
      return true
    }
    try OutputFile.check(path: path, replacing: replacing)
    return false
  }

  /// Begins a file for a base; whatever can be refused is refused here.
  ///
  /// - Throws: `UndoError` for a base beyond the limits of the format, `FileError.exists`,
  ///   `SystemError`.
  package init(path: String, base: UndoBase, replacing: Bool) throws {
    names = base.files.flatMap { $0.header.tensors.map(\.name) }
    order = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
    try UndoWriter.check(base, uniqueNames: order.count == names.count, path: path)
    self.base = base
    isThere = try UndoWriter.check(path: path, base: base, replacing: replacing)
    self.replacing = replacing || isThere
    file = try OutputFile(path: path, size: 0, replacing: self.replacing)
  }

  private static func check(_ base: UndoBase, uniqueNames: Bool, path: String) throws(UndoError) {
    func failure(_ problem: UndoError.Problem) -> UndoError {
      UndoError(path: path, problem: problem)
    }
    let size = UndoDescription.largestSize(of: base)
    guard size <= UndoFormat.maximumDescriptionLength else {
      throw failure(
        .tooMany("bytes of headers", found: size, limit: UndoFormat.maximumDescriptionLength))
    }
    guard base.files.count <= UndoFormat.maximumFiles else {
      throw failure(.tooMany("files", found: base.files.count, limit: UndoFormat.maximumFiles))
    }
    guard uniqueNames else { throw failure(.notDescribable("two tensors of one name")) }
    for name in base.names where !UndoDescription.isFileName(name) {
      throw failure(.notDescribable("file name '\(name)'"))
    }
  }

  /// Takes the difference of a piece of a tensor, from any thread; each byte of a tensor at most
  /// once. What does not differ takes no space.
  ///
  /// - Parameters:
  ///   - elementWidth: the bytes of an element, 1, 2, 4 or 8.
  ///   - offset: the position in the tensor of the first byte, of whole elements.
  /// - Throws: errors of writing.
  package func record(
    tensor: TensorName, elementWidth: Int, offset: Int, before: UnsafeRawBufferPointer,
    after: UnsafeRawBufferPointer
  ) throws {
    precondition([1, 2, 4, 8].contains(elementWidth) && before.count == after.count)
    precondition(offset % elementWidth == 0 && before.count % elementWidth == 0)
    guard let number = order[tensor] else { preconditionFailure("a tensor of the base") }
    try encoders.use { encoder in
      for start in stride(from: 0, to: before.count, by: UndoFormat.maximumRawLength) {
        let range = start..<min(before.count, start + UndoFormat.maximumRawLength)
        let encoded = unsafe encoder.encode(
          before: UnsafeRawBufferPointer(rebasing: before[range]),
          after: UnsafeRawBufferPointer(rebasing: after[range]), width: elementWidth)
        guard var chunk = unsafe encoded?.chunk, let bytes = unsafe encoded?.bytes else { continue }
        chunk.tensor = number
        chunk.offset = offset + start
        let length = chunk.storedLength
        chunk.position = spool.withLock { spool in
          spool.position += length
          return spool.position - length
        }
        try unsafe file.write(bytes, at: chunk.position)
        let span = chunk
        spool.withLock { $0.spans.append(span) }
      }
    }
  }

  /// Completes the file with the hashes of the base's files, verifies it and gives it its name.
  ///
  /// - Parameter digests: the SHA-256 of every file of the base before the fold, in order.
  /// - Throws: `UndoError` where there are too many spans; `FileError.damaged` where the file reads
  ///   back differently, `FileError.noSpace`, `SystemError`.
  package func finish(digests: [SHA256Digest], threads: Int = 1) throws -> Summary {
    precondition(digests.count == base.files.count)
    let spooled = spool.withLock { $0.spans }
      .sorted { ($0.tensor, $0.offset) < ($1.tensor, $1.offset) }
    for (span, next) in zip(spooled, spooled.dropFirst()) where span.tensor == next.tensor {
      precondition(span.offset + span.rawLength <= next.offset, "a byte recorded twice")
    }
    var changed: [Int] = []
    let spans = spooled.map { span in
      if changed.last != span.tensor { changed.append(span.tensor) }
      var span = span
      span.tensor = changed.count - 1
      return span
    }
    let description = UndoDescription(
      base: base, digests: digests, changed: changed.map { names[$0] })
    let assembly = UndoAssembly(
      spans: spans, description: description.bytes, path: file.path, replacing: replacing,
      isThere: isThere)
    return Summary(
      size: try assembly.finish(file, threads: threads), tensorsChanged: changed.count,
      bytesCovered: spans.reduce(0) { $0 + $1.rawLength })
  }
}
