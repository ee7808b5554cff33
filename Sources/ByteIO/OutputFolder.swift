internal import Synchronization

/// A folder of a few files that appears under its name only when it is complete.
///
/// Files are written into a temporary folder beside it, which is renamed by `commit` and removed
/// otherwise. A folder it replaces may hold nothing but files of the same names; it is exchanged in
/// one step where the file system can, and gives its mode to the new one. A link in the place of the
/// folder is replaced, not followed. The temporary folder is locked while its owner lives.
///
/// A folder that takes long to fill may be opened for `Sharing`: its temporary folder has a name that
/// does not change, so that a later run finds what an earlier one had finished when it was killed, and
/// several processes can fill it.
public final class OutputFolder: Sendable {
  /// Who may fill a temporary folder of an unchanging name.
  public enum Sharing: Sendable {
    /// This process alone.
    case alone
    /// Any number of processes at the same time.
    case withOthers
  }

  /// Where the folder will appear.
  public let path: String

  private let temporary: TemporaryName
  private let replacing: Bool
  private let lockDescriptor: Int32
  private let isKept = Atomic<Bool>(false)

  /// Checks that a folder can appear under a path, or replace one with files of these names.
  ///
  /// - Throws: `FileError.exists` where the path is taken and `replacing` is false, or is no
  ///   folder; `FileError.foreignFiles` where the folder to replace holds anything else;
  ///   `SystemError`.
  public static func check(path: String, names: Set<String>, replacing: Bool) throws {
    let target = Paths.withoutTrailingSlashes(path)
    guard let status = try SystemCalls.status(path: target, followingLinks: false) else { return }
    guard replacing else { throw FileError.exists(path: target) }
    // A link is replaced itself; what it leads to stays.
    if status.isLink { return }
    guard status.isFolder else { throw FileError.notAFolder(path: target) }
    let others = try SystemCalls.entries(of: target).filter { name in
      guard names.contains(name) else { return true }
      return try SystemCalls.status(path: Paths.join(target, name))?.isFolder ?? false
    }
    guard others.isEmpty else { throw FileError.foreignFiles(path: target, names: others) }
  }

  /// Creates the temporary folder for files of these names.
  ///
  /// - Throws: as `check(path:names:replacing:)`; `SystemError`.
  public init(path: String, names: Set<String>, replacing: Bool) throws {
    try OutputFolder.check(path: path, names: names, replacing: replacing)
    let target = Paths.withoutTrailingSlashes(path)
    TemporaryName.removeAbandoned(besides: target)
    (temporary, lockDescriptor) = try TemporaryName.create(
      for: target, removing: { SystemCalls.removeFolder($0) }
    ) {
      try SystemCalls.makeFolder($0.path, reportedPath: target)
      return try OutputFolder.open($0, isNew: true, reportedPath: target)
    }
    self.path = target
    self.replacing = replacing
  }

  /// The temporary folder of an unchanging name of a path.
  package static func unchangingPath(for path: String) -> String {
    TemporaryName(unchangingFor: Paths.withoutTrailingSlashes(path)).path
  }

  /// Whether the temporary folder of an unchanging name is there.
  public static func isBegun(path: String) throws -> Bool {
    let temporary = TemporaryName(unchangingFor: Paths.withoutTrailingSlashes(path))
    return try SystemCalls.status(path: temporary.path, followingLinks: false) != nil
  }

  /// Creates the temporary folder of an unchanging name, or opens the one that an earlier run left.
  ///
  /// - Parameter names: the files of the folder; nil where the output is one file of it, for
  ///   `commit(file:)`.
  /// - Throws: as `check(path:names:replacing:)`; `FileError.inUse` where another process fills it.
  public init(path: String, names: Set<String>?, replacing: Bool, for sharing: Sharing) throws {
    let target = Paths.withoutTrailingSlashes(path)
    let temporary = TemporaryName(unchangingFor: target)
    while true {
      if let names {
        try OutputFolder.check(path: path, names: names, replacing: replacing)
      } else {
        try OutputFile.check(path: path, replacing: replacing)
      }
      guard let descriptor = try OutputFolder.enter(temporary, target, sharing) else { continue }
      lockDescriptor = descriptor
      self.path = target
      self.replacing = replacing
      self.temporary = temporary
      return
    }
  }

  /// Opens and locks a temporary folder of an unchanging name, which is created where it is not there;
  /// nil where another process has given it its final name, or removed it, meanwhile.
  private static func enter(
    _ temporary: TemporaryName, _ target: String, _ sharing: Sharing
  ) throws -> Int32? {
    let isNew = try SystemCalls.status(path: temporary.path, followingLinks: false) == nil
    if isNew {
      do {
        try SystemCalls.makeFolder(temporary.path, reportedPath: target)
      } catch {
        // Another process may have been quicker.
        guard try SystemCalls.status(path: temporary.path, followingLinks: false) != nil else {
          throw error
        }
      }
    }
    guard let descriptor = try open(temporary, isNew: isNew, reportedPath: target) else {
      return nil
    }
    guard SystemCalls.lock(descriptor, sharing: sharing == .withOthers) else {
      SystemCalls.closeDescriptor(descriptor)
      throw FileError.inUse(path: target)
    }
    do {
      let status = try SystemCalls.status(descriptor: descriptor, path: target)
      if try SystemCalls.status(path: temporary.path)?.inode == status.inode { return descriptor }
    } catch {
      SystemCalls.closeDescriptor(descriptor)
      throw error
    }
    SystemCalls.closeDescriptor(descriptor)
    return nil
  }

  /// Opens a temporary folder; nil where it is gone.
  private static func open(
    _ temporary: TemporaryName, isNew: Bool, reportedPath: String
  ) throws -> Int32? {
    do {
      return try SystemCalls.openPath(temporary.path, for: .locking, reportedPath: reportedPath)
    } catch {
      if isNew { SystemCalls.removeFolder(temporary.path) }
      if SystemCalls.meansAbsent(error.code) { return nil }
      throw error
    }
  }

  deinit {
    if !isKept.load(ordering: .relaxed) { OutputFolder.removeFlat(temporary.path) }
    SystemCalls.closeDescriptor(lockDescriptor)
  }

  /// Decides whether the temporary folder is left for another process to go on with; `commit` ends
  /// that.
  public func keep(_ isKept: Bool = true) { self.isKept.store(isKept, ordering: .relaxed) }

  /// Where files are before `commit`.
  public var temporaryPath: String { temporary.path }

  /// The names in the temporary folder.
  public var entries: [String] {
    get throws { try SystemCalls.entries(of: temporary.path) }
  }

  /// Removes a file from the temporary folder.
  public func remove(_ name: String) throws { try SystemCalls.removeForGood(path(of: name)) }

  /// The path a file of this name is to be written to before `commit`.
  public func path(of name: String) -> String { Paths.join(temporary.path, name) }

  /// Gives the folder its name.
  public func commit() throws {
    if replacing, let status = try SystemCalls.status(path: path), status.isFolder {
      try SystemCalls.setMode(lockDescriptor, status.mode, path: path)
    }
    try SystemCalls.synchronizeFolder(temporary.path)
    if try !SystemCalls.move(temporary.path, path, replacing: false) {
      guard replacing else { throw FileError.exists(path: path) }
      try replace()
    }
    keep(false)
    try SystemCalls.synchronizeFolder(Paths.parent(of: path))
    // Where a run was killed in `replace`, the folder that it was to replace.
    TemporaryName.removeAbandoned(besides: path)
  }

  /// Gives one file of the folder the output's name; the folder goes when its owner does.
  public func commit(file name: String) throws {
    let source = self.path(of: name)
    if replacing, let status = try SystemCalls.status(path: path) {
      let descriptor = try SystemCalls.openPath(source, for: .reading, reportedPath: path)
      defer { SystemCalls.closeDescriptor(descriptor) }
      try SystemCalls.setMode(descriptor, status.mode, path: path)
    }
    guard try SystemCalls.move(source, path, replacing: replacing) else {
      throw FileError.exists(path: path)
    }
    keep(false)
    try SystemCalls.synchronizeFolder(Paths.parent(of: path))
  }

  private func replace() throws {
    if try SystemCalls.exchange(temporary.path, path) { return }  // deinit removes the old one
    let old = TemporaryName(for: path)
    guard try SystemCalls.move(path, old.path, replacing: false) else {
      throw FileError.exists(path: path)
    }
    do {
      guard try SystemCalls.move(temporary.path, path, replacing: false) else {
        throw FileError.exists(path: path)
      }
    } catch {
      _ = try? SystemCalls.move(old.path, path, replacing: false)
      throw error
    }
    OutputFolder.removeFlat(old.path)
  }

  /// Removes a temporary folder that nobody holds.
  static func removeAbandoned(_ folder: String) {
    guard let descriptor = try? SystemCalls.openPath(folder, for: .locking) else { return }
    defer { SystemCalls.closeDescriptor(descriptor) }
    if SystemCalls.lock(descriptor) { removeFlat(folder) }
  }

  /// Removes a folder and the files in it, or a link; a folder inside it stops the removal.
  private static func removeFlat(_ folder: String) {
    switch SystemCalls.removeFolder(folder) {
    case .done, .failed: return
    case .isNoFolder: SystemCalls.remove(folder)
    case .hasEntries:
      for name in (try? SystemCalls.entries(of: folder)) ?? [] {
        SystemCalls.remove(Paths.join(folder, name))
      }
      SystemCalls.removeFolder(folder)
    }
  }
}
