internal import ByteIO
internal import CHDF5

/// Writes an HDF5 file; it appears under its name only when it is complete and reads back as it was
/// meant (Adapter in HDF5 §1).
///
/// The same calls give the same bytes, whatever the number of threads, with the same version of
/// the library.
public enum HDF5Writer {
  /// Creates a file, lets `body` fill the root group, reads everything back and gives the file its
  /// name.
  ///
  /// Objects that `body` gets are good only inside the closure they are given to. Memory: for
  /// each thread two chunks of about 1 MiB, besides what the library needs for the names.
  ///
  /// - Parameters:
  ///   - replacing: whether a file under the path may be replaced.
  ///   - threads: how many chunks are compressed at once.
  ///   - verification: how the result is listed when it is read back.
  ///   - checkpoint: called between pieces; what it throws ends the writing and leaves nothing.
  /// - Throws: `HDF5Error` where the library fails, as on a full disk; `FileError`, `SystemError`;
  ///   what `body` throws.
  public static func write(
    to path: String, replacing: Bool, threads: Int = 1, verification: HDF5Reading = .inProcess,
    checkpoint: @escaping @Sendable () throws -> Void = {},
    _ body: (HDF5GroupWriter) throws -> Void
  ) throws {
    let output = try OutputFile(path: path, size: 0, replacing: replacing)
    let session = WriterSession(output: output, threads: threads, checkpoint: checkpoint)
    let expected = WrittenGroup()
    let file = try session.library(checking: false) { library in try create(session, library) }
    do {
      try session.check()
      let root = try session.open { library in
        unsafe (
          try library.check("open the root", writing: true, library.H5Oopen(file, "/", 0)), .object
        )
      }
      try session.using(root) { id in
        try body(HDF5GroupWriter(session: session, id: id, path: "/", written: expected))
      }
    } catch {
      _ = try? session.library(checking: false) { library in library.H5Fclose(file) }
      throw error
    }
    try session.library { library in
      try library.check("finish the file", writing: true, library.H5Fclose(file))
    }
    try output.synchronize()
    let written = try ReadableFile(path: output.temporaryPath)
    try WrittenFile(root: expected, threads: threads, checkpoint: checkpoint)
      .verify(written, reading: verification, path: path)
    try output.commit(size: written.size)
  }

  private static func create(_ session: WriterSession, _ library: HDF5Library.Table) throws
    -> hid_t
  {
    let creation = try library.handle(
      "prepare", writing: true, library.H5Pcreate(library.FILE_CREATE), closing: library.H5Pclose)
    let access = try unsafe library.fileAccess(
      descriptor: session.output.descriptor, failure: session.failure)
    try library.check("prepare", writing: true, library.H5Pset_obj_track_times(creation.id, false))
    // The structures of 1.8, which all later versions read: they carry checksums and take less
    // room for many small groups than the older ones.
    try library.check(
      "prepare", writing: true,
      library.H5Pset_libver_bounds(access.id, H5F_LIBVER_V18, H5F_LIBVER_V18))
    return try unsafe library.check(
      "create the file", writing: true,
      library.H5Fcreate("file", UInt32(CHDF5_TRUNCATE), creation.id, access.id))
  }
}

/// What the parts of a file that is written share.
///
/// The library is entered for one step at a time, so that sources may be HDF5 files themselves and
/// other threads get their turn.
@safe final class WriterSession {
  let output: OutputFile
  let threads: Int
  let checkpoint: @Sendable () throws -> Void
  /// The errno of the first write that failed.
  let failure: UnsafeMutablePointer<Int32>

  init(output: OutputFile, threads: Int, checkpoint: @escaping @Sendable () throws -> Void) {
    self.output = output
    self.threads = max(1, threads)
    self.checkpoint = checkpoint
    unsafe failure = .allocate(capacity: 1)
    unsafe failure.initialize(to: 0)
  }

  deinit { unsafe failure.deallocate() }

  /// What an identifier stands for, which decides how it is closed.
  enum Kind {
    case object
    case group
    case dataset
  }

  /// Enters the library.
  ///
  /// - Throws: `HDF5Error` with the path, `SystemError` where a write failed.
  @discardableResult
  func library<Result>(
    _ object: HDF5Object? = nil, checking: Bool = true,
    _ body: (HDF5Library.Table) throws -> Result
  ) throws -> Result {
    do {
      let result = try HDF5Library.session(body)
      if checking { try check() }
      return result
    } catch let failure as LibraryFailure {
      throw HDF5Error(path: output.path, object: object ?? failure.object, reason: failure.reason)
    }
  }

  /// Where the data of a contiguous dataset go.
  func place(of dataset: hid_t, _ object: HDF5Object) throws -> Int {
    let address = try library(object) { library in UInt64(library.H5Dget_offset(dataset)) }
    guard let offset = Int(exactly: address) else {
      throw HDF5Error(
        path: output.path, object: object,
        reason: .writing(operation: "create it", text: "the library gave it no place"))
    }
    return offset
  }

  /// Throws once a write has failed, which the library is not told.
  func check() throws {
    guard unsafe failure.pointee != 0 else { return }
    throw unsafe SystemError(operation: "write", path: output.path, code: failure.pointee)
  }

  /// Opens something that stays open over several steps, to be closed by `using`.
  func open(
    _ object: HDF5Object? = nil, _ body: (HDF5Library.Table) throws -> (hid_t, Kind)
  ) throws -> (hid_t, Kind) {
    try library(object, checking: false, body)
  }

  /// Runs `body` and closes what is open.
  func using<Result>(_ opened: (id: hid_t, kind: Kind), _ body: (hid_t) throws -> Result) throws
    -> Result
  {
    func close() throws {
      try library { library in
        let status =
          switch opened.kind {
          case .object: library.H5Oclose(opened.id)
          case .group: library.H5Gclose(opened.id)
          case .dataset: library.H5Dclose(opened.id)
          }
        try library.check("close an object", writing: true, status)
      }
    }
    let result: Result
    do {
      try check()
      result = try body(opened.id)
    } catch {
      try? close()
      throw error
    }
    try close()
    return result
  }
}
