#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A folder of a few files that appears under its name only when it is complete.
///
/// Files are written into a temporary folder beside it, which is renamed by `commit` and removed
/// otherwise. A folder it replaces is exchanged in one step where the file system can.
public final class OutputFolder: Sendable {
  /// Where the folder will appear.
  public let path: String

  private let temporary: TemporaryName
  private let replacing: Bool
  private let lockDescriptor: Int32

  private static let lockName = ".lock"

  /// Creates the temporary folder.
  ///
  /// - Throws: `FileError.exists` where the path is taken and `replacing` is false, or is no
  ///   folder; `SystemError`.
  public init(path: String, replacing: Bool) throws {
    let target = Paths.withoutTrailingSlashes(path)
    if let status = try SystemCalls.status(path: target), !replacing || !status.isFolder {
      throw FileError.exists(path: target)
    }
    TemporaryName.removeAbandoned(besides: target)
    let temporary = TemporaryName(for: target)
    try SystemCalls.makeFolder(temporary.path)
    do {
      lockDescriptor = try SystemCalls.open(
        Paths.join(temporary.path, OutputFolder.lockName), O_RDWR | O_CREAT | O_EXCL)
    } catch {
      SystemCalls.removeFolder(temporary.path)
      throw error
    }
    _ = SystemCalls.lock(lockDescriptor)
    self.path = target
    self.replacing = replacing
    self.temporary = temporary
  }

  deinit {
    OutputFolder.removeFlat(temporary.path)
    SystemCalls.close(lockDescriptor)
  }

  /// The path a file of this name is to be written to before `commit`.
  public func path(of name: String) -> String { Paths.join(temporary.path, name) }

  /// Gives the folder its name.
  public func commit() throws {
    SystemCalls.remove(Paths.join(temporary.path, OutputFolder.lockName))
    try SystemCalls.synchronizeFolder(temporary.path)
    if try !SystemCalls.rename(temporary.path, path, replacing: false) {
      guard replacing else { throw FileError.exists(path: path) }
      try replace()
    }
    try SystemCalls.synchronizeFolder(Paths.parent(of: path))
  }

  private func replace() throws {
    if SystemCalls.exchange(temporary.path, path) { return }  // deinit removes the old one
    let old = TemporaryName(for: path)
    guard try SystemCalls.rename(path, old.path, replacing: false),
      try SystemCalls.rename(temporary.path, path, replacing: false)
    else { throw FileError.exists(path: path) }
    OutputFolder.removeFlat(old.path)
  }

  /// Removes a temporary folder that nobody holds.
  static func removeAbandoned(_ folder: String) {
    let lock = Paths.join(folder, lockName)
    if let descriptor = try? SystemCalls.open(lock, O_RDWR | O_NOFOLLOW) {
      defer { SystemCalls.close(descriptor) }
      guard SystemCalls.lock(descriptor) else { return }
    }
    removeFlat(folder)
  }

  /// Removes a folder and the files in it; a folder inside it stops the removal.
  private static func removeFlat(_ folder: String) {
    for name in (try? SystemCalls.entries(of: folder)) ?? [] {
      SystemCalls.remove(Paths.join(folder, name))
    }
    SystemCalls.removeFolder(folder)
  }
}
