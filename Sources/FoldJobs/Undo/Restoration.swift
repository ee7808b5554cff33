package import ByteIO
internal import Safetensors
internal import Tensors

/// Restores a base from a folded checkpoint and its undo file (Undo §5).
///
/// The folded checkpoint may keep its tensors in other files and under other metadata than the fold
/// wrote them: they are looked up by name. The result is the base to the byte: every file is hashed
/// as it lies on the disk and gets its name only if it is what was folded. Memory: 4 MiB and four
/// times the largest span for each thread, and what `UndoFile` takes.
package struct Restoration: Sendable {
  /// What the restored base's files were before, and what changed.
  package let undo: UndoFile
  /// Files of the folded folder that are copied beside the base's, by name.
  package let companions: [String]
  /// What of the folded folder is left out, one line each.
  package let notes: [String]

  private let folded: any FileBackedTensorSource
  private let folder: String?
  private let tasks: [RestorationTask]

  /// Checks that a checkpoint can be the one that was written with an undo file.
  ///
  /// - Throws: `UndoError` for a missing tensor or one of another dtype or shape; errors of reading.
  package init(_ undo: UndoFile, from folded: any FileBackedTensorSource) throws {
    self.undo = undo
    self.folded = folded
    tasks = try RestorationTask.tasks(undo, from: folded)
    if undo.base.isFolder, let checkpoint = folded as? ShardedCheckpoint {
      let found = try CheckpointCompanions(of: checkpoint, besides: undo.base.names)
      (folder, companions, notes) = (checkpoint.label, found.names, found.notes)
    } else {
      (folder, companions, notes) = (nil, [], [])
    }
  }

  /// The bytes that will be written.
  package var byteCount: Int {
    undo.base.files.reduce(undo.base.index?.bytes.count ?? 0) { $0 + $1.size }
  }

  /// Checks that the base can be written to a path.
  ///
  /// - Throws: `FileError`, `SystemError`.
  package func check(output: String, replacing: Bool) throws {
    if undo.base.isFolder {
      try OutputFolder.check(path: output, names: names, replacing: replacing)
    } else {
      try OutputFile.check(path: output, replacing: replacing)
    }
    try Paths.requireSpace(byteCount, at: output)
  }

  private var names: Set<String> { Set(undo.base.names + companions) }

  /// Writes the base to a path: a file or a folder, as the base was one.
  ///
  /// - Parameter progress: called with the bytes written and hashed and of all, from any thread; an
  ///   error it throws stops the work and leaves nothing.
  /// - Throws: `UndoError.Problem.notRestored` for a file that is not the base's; other errors of
  ///   `UndoFile`, of reading and of writing.
  package func run(
    to output: String, replacing: Bool, threads: Int,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws {
    try check(output: output, replacing: replacing)
    let counter = ByteCounter(
      total: 2 * undo.base.files.reduce(0) { $0 + $1.size }, report: progress)
    guard undo.base.isFolder else {
      let files = try restore(to: [output], replacing: replacing, threads: threads, counter)
      return try files[0].commit()
    }
    let folder = try OutputFolder(path: output, names: names, replacing: replacing)
    let files = try restore(
      to: undo.base.files.map { folder.path(of: $0.name) }, replacing: false, threads: threads,
      counter)
    for file in files { try file.commit() }
    try copyCompanions(to: folder)
    if let index = undo.base.index {
      try OutputFile.write(index.bytes, to: folder.path(of: index.name), replacing: false)
    }
    try folder.commit()
  }

  /// Writes all files, flushes them and proves them by their hashes.
  private func restore(
    to paths: [String], replacing: Bool, threads: Int, _ counter: ByteCounter
  ) throws -> [OutputFile] {
    let files = try zip(undo.base.files, paths).map { file, path in
      let output = try OutputFile(path: path, size: file.size, replacing: replacing)
      let header = file.headerBytes
      try unsafe header.withUnsafeBytes { try unsafe output.write($0, at: 0) }
      try counter.add(header.count)
      return output
    }
    _ = try Parallel.map(
      tasks.count, threads: threads, context: { RestorationWorker(undo: undo, folded: folded) }
    ) { worker, number in
      let task = tasks[number]
      try worker.run(task, into: files[task.file])
      try counter.add(task.count)
    }
    _ = try Parallel.map(
      files.count, threads: threads, context: { AlignedBuffer(byteCount: UndoBase.pieceSize) }
    ) { buffer, number in
      let file = files[number]
      try file.synchronize()
      let found = try unsafe UndoBase.digest(size: file.size, buffer, counter, file.readBack)
      guard found == undo.digests[number] else {
        throw UndoError(
          path: folded.label,
          problem: .notRestored(
            file: undo.base.files[number].name, found: found.hexadecimal,
            expected: undo.digests[number].hexadecimal))
      }
    }
    return files
  }

  private func copyCompanions(to target: OutputFolder) throws {
    guard let folder else { return }
    for name in companions {
      try OutputFile.copy(
        of: Paths.join(folder, name), to: target.path(of: name), replacing: false)
    }
  }
}

/// What one thread of a restoration works with, kept from task to task.
final class RestorationWorker {
  private let undo: UndoFile
  private let folded: any FileBackedTensorSource
  private let decoder: SpanDecoder
  private var tile = AlignedBuffer(byteCount: 1 << 20)

  init(undo: UndoFile, folded: any FileBackedTensorSource) {
    self.undo = undo
    self.folded = folded
    decoder = SpanDecoder(file: undo.file)
  }

  /// Writes a piece of the base.
  func run(_ task: RestorationTask, into file: OutputFile) throws {
    let (source, start) = folded.location(of: task.tensor)
    guard let number = task.chunk else {
      return try unsafe file.copy(
        from: source, at: start + task.offset, count: task.count, to: task.position,
        scratch: tile.bytes)
    }
    if unsafe tile.bytes.count < task.count { tile = AlignedBuffer(byteCount: task.count) }
    let bytes = unsafe tile.prefix(task.count)
    try unsafe source.read(at: start + task.offset, into: bytes)
    let difference = try unsafe decoder.decode(undo.chunks[number], number: number)
    unsafe BitDifference.write(UnsafeRawBufferPointer(bytes), difference, into: bytes)
    try unsafe file.write(UnsafeRawBufferPointer(bytes), at: task.position)
  }
}
