public import ByteIO

/// How the library lists what is in a file.
public enum HDF5Reading: Sendable {
  /// In this process: quick, for files that are trusted. A file made to crash the library ends
  /// the program.
  case inProcess
  /// In a process of its own: `executable` is a program that calls
  /// `HDF5Worker.runIfAsked(arguments:)` first of all.
  case isolated(executable: String, limits: HDF5WorkerLimits = HDF5WorkerLimits())
}

/// An HDF5 file opened for reading: what is in it is listed and checked, its data are not touched
/// until asked for (Adapter in HDF5 §1).
public final class HDF5File: Sendable {
  /// The file's path.
  public let path: String
  /// The group that holds everything.
  public let root: HDF5Group

  /// Decoded chunks that are kept for the next read, in bytes.
  static let cacheLimit = 32 << 20

  /// Opens a file and lists it.
  ///
  /// - Throws: `HDF5Error`, `SystemError`, `FileError`.
  public convenience init(path: String, reading: HDF5Reading) throws {
    try self.init(file: ReadableFile(path: path), reading: reading)
  }

  /// Lists an open file.
  ///
  /// - Throws: `HDF5Error`, errors of reading.
  public convenience init(file: ReadableFile, reading: HDF5Reading) throws {
    try self.init(file: file, reading: reading, name: file.path)
  }

  /// The same under another name in messages.
  init(file: ReadableFile, reading: HDF5Reading, name: String) throws {
    do {
      let store = try FileStore(file, path: name, cacheLimit: HDF5File.cacheLimit)
      let limits = ListingLimits()
      let message =
        switch reading {
        case .inProcess: try HDF5File.list(file, limits: limits)
        case .isolated(let executable, let workerLimits):
          try WorkerProcess.list(
            file, executable: executable, limits: workerLimits,
            messageLimit: limits.messageBytes + 64)
        }
      try file.checkUnchanged()
      var tree = ListedTree(message: ListingReader(message), store: store, limits: limits)
      root = try tree.read()
      path = name
    } catch let failure as LibraryFailure {
      throw failure.error(path: name)
    }
  }

  /// Whether a file that begins with these bytes is HDF5.
  public static func isHDF5(prefix: some Collection<UInt8>) -> Bool {
    prefix.starts(with: FileImage.signature)
  }

  private static func list(_ file: ReadableFile, limits: ListingLimits) throws -> [UInt8] {
    try HDF5Library.session { library in
      try ListingWriter.message(limit: limits.messageBytes) { message in
        message.put(byte: 0)
        try Lister.list(
          file.descriptor, library: library, limits: limits, message: &message)
      }
    }
  }
}
