internal import ByteIO
public import Folding
internal import Safetensors
public import Tensors

extension FoldJob {
  /// Checks that what was folded can be taken back to the byte: tensors keep their dtypes.
  ///
  /// - Throws: `FoldJobError.noUndo`.
  func checkUndo() throws {
    guard request.dtype == nil else { throw FoldJobError.noUndo("the dtype changes") }
  }

  /// Checks that an undo file can be written to a path.
  ///
  /// - Throws: `FoldJobError.noUndo`, `FileError`, `SystemError`.
  public func checkUndo(_ path: String, inPlace: Bool = false, _ isResumed: Bool = false) throws {
    try checkUndo()
    let isThere = try Paths.kind(of: path) != .absent
    if isResumed {
      // It was complete before anything was overwritten, or there will never be one.
      guard isThere else { throw FoldJobError.noUndoAnyMore(path: path) }
      return
    }
    try FoldJob.namingRepeats(inPlace, path) {
      _ = try UndoWriter.check(
        path: path, base: undoBase(), replacing: request.replacing && !inPlace)
    }
  }

  /// In place, an undo file that is there and would not come out the same is never replaced, for it
  /// may be that of the same fold done before.
  static func namingRepeats<Result>(
    _ inPlace: Bool, _ path: String, _ body: () throws -> Result
  ) throws -> Result {
    do {
      return try body()
    } catch FileError.exists(path) where inPlace {
      throw FoldJobError.undoExists(path: path)
    }
  }

  /// Begins an undo file.
  ///
  /// - Throws: `UndoError`, `FileError`, `SystemError`.
  func undoWriter(_ path: String, inPlace: Bool = false) throws -> UndoWriter {
    try checkUndo()
    return try UndoWriter(
      path: path, base: undoBase(), replacing: request.replacing && !inPlace)
  }

  private func undoBase() throws -> UndoBase {
    if let checkpoint = base.source as? ShardedCheckpoint {
      return try UndoBase(folder: checkpoint)
    }
    return UndoBase(file: base.shards[0])
  }

  /// Takes in the changes of a fold.
  func observer(_ undo: UndoWriter) -> Fold.ChangeObserver {
    let tensors = base.source.tensors
    return { tensor, offset, before, after in
      let info = tensors[tensor]
      try unsafe undo.record(
        tensor: info.name, elementWidth: max(1, info.dtype.bitWidth / 8), offset: offset,
        before: before, after: after)
    }
  }

  /// Hashes the base, and gives the undo file its name.
  ///
  /// - Throws: errors of reading and writing.
  func finish(_ undo: UndoWriter, on machine: FoldMachine) throws {
    _ = try undo.finish(
      digests: UndoBase.digests(of: base.shards.map(\.file), threads: machine.threads),
      threads: machine.threads
    )
  }
}

/// Takes a fold back: the base to the byte, from what it was folded into and an undo file (Undo §5).
public struct UnfoldJob: Sendable {
  /// What was not found among the folder's files to copy, one line each.
  public var notes: [String] { restoration.notes }
  /// Bytes of all files of the base.
  public var byteCount: Int { restoration.byteCount }
  /// The names of the tensors that change back.
  public var changed: [TensorName] { restoration.undo.changed }

  private let restoration: Restoration

  /// Opens both and checks that they can belong together.
  ///
  /// - Throws: `UndoError`, errors of the formats.
  public init(undo: String, folded: String) throws {
    let base = try FoldBase(path: folded)
    restoration = try Restoration(UndoFile(path: undo), from: base.source)
  }

  /// Checks that the output can be written.
  ///
  /// - Throws: `FileError`, `SystemError`.
  public func check(output: String, replacing: Bool) throws {
    try restoration.check(output: output, replacing: replacing)
  }

  /// Writes the base, proves it by its SHA-256 and gives it its name.
  ///
  /// - Throws: `UndoError` where it is not the base, errors of reading and writing.
  public func run(
    to output: String, replacing: Bool, on machine: FoldMachine,
    progress: @escaping @Sendable (FoldProgress) throws -> Void = { _ in }
  ) throws {
    try restoration.run(to: output, replacing: replacing, threads: machine.threads) {
      try progress(FoldProgress(bytesDone: $0, bytesTotal: $1))
    }
  }
}
