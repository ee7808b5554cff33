/// Operations on paths and folders, without opening files.
package enum Paths {
  /// What lies at a path.
  package enum Kind: Sendable {
    /// Nothing is there.
    case absent
    /// A regular file.
    case file
    /// A folder.
    case folder
    /// A FIFO, socket or device.
    case other
  }

  /// What lies at a path, links followed.
  package static func kind(of path: String) throws(SystemError) -> Kind {
    guard let status = try SystemCalls.status(path: path) else { return .absent }
    return status.isRegular ? .file : status.isFolder ? .folder : .other
  }

  /// The names in a folder, sorted by bytes.
  package static func entries(of folder: String) throws(SystemError) -> [String] {
    try SystemCalls.entries(of: folder)
  }

  /// The folder that holds a path: `.` for a bare name.
  package static func parent(of path: String) -> String {
    let trimmed = withoutTrailingSlashes(path)
    guard let slash = trimmed.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }

  /// The last component of a path.
  package static func name(of path: String) -> String {
    let trimmed = withoutTrailingSlashes(path)
    guard let slash = trimmed.utf8.lastIndex(of: UInt8(ascii: "/")) else { return trimmed }
    return String(trimmed[trimmed.utf8.index(after: slash)...])
  }

  /// The last component's part from its last dot, without the dot; empty where there is none.
  package static func fileExtension(of path: String) -> String {
    let name = name(of: path)
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot != name.startIndex else {
      return ""
    }
    return String(name[name.utf8.index(after: dot)...])
  }

  /// The path without its last component's extension.
  package static func withoutExtension(_ path: String) -> String {
    let trimmed = withoutTrailingSlashes(path)
    let suffix = fileExtension(of: trimmed)
    // In bytes: a dot and a combining mark after it are one character.
    guard !suffix.isEmpty else { return trimmed }
    return String(decoding: trimmed.utf8.dropLast(suffix.utf8.count + 1), as: UTF8.self)
  }

  /// A name inside a folder.
  package static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  /// The absolute path with links resolved, or nil where it leads nowhere.
  package static func resolved(_ path: String) -> String? { SystemCalls.resolvedPath(path) }

  /// Whether both paths lead to the same file or folder: by name, hard link or symbolic link.
  package static func areSame(_ first: String, _ second: String) -> Bool {
    guard let a = try? SystemCalls.status(path: first),
      let b = try? SystemCalls.status(path: second)
    else { return false }
    return a.device == b.device && a.inode == b.inode
  }

  /// A path that means the same from every folder; what is not there yet, beside what is.
  package static func absolute(_ path: String) -> String {
    if let resolved = resolved(path) { return resolved }
    guard let folder = resolved(parent(of: path)) else { return path }
    return join(folder, name(of: path))
  }

  /// Whether a path lies in a folder or deeper, links followed.
  package static func isInside(_ path: String, _ folder: String) -> Bool {
    guard let folder = resolved(folder) else { return false }
    return absolute(path).hasPrefix(folder == "/" ? folder : folder + "/")
  }

  /// What a file keeps under another name, and no other has: its number and the time of its last change;
  /// nil where there is none.
  package static func identity(of path: String) throws(SystemError) -> String? {
    try SystemCalls.status(path: path).map { "\($0.inode) \($0.changeTime)" }
  }

  /// The path without slashes at its end.
  package static func withoutTrailingSlashes(_ path: String) -> String {
    var end = path.endIndex
    while end > path.startIndex {
      let before = path.index(before: end)
      guard path[before] == "/", before > path.startIndex else { break }
      end = before
    }
    return String(path[..<end])
  }

  /// Removes a file, unless it is gone.
  package static func remove(_ path: String) throws(SystemError) {
    try SystemCalls.removeForGood(path)
  }

  /// Removes a folder if it is empty.
  package static func removeFolder(_ path: String) { SystemCalls.removeFolder(path) }

  /// Creates a folder, unless it is there.
  package static func makeFolder(_ path: String) throws(SystemError) {
    do {
      try SystemCalls.makeFolder(path, reportedPath: path)
    } catch {
      guard try kind(of: path) == .folder else { throw error }
    }
  }

  /// Throws unless a folder is there in which files can be created.
  package static func requireWritableFolder(_ folder: String) throws(SystemError) {
    if let code = SystemCalls.whyNotWritable(folder) {
      throw SystemError(operation: "write into folder", path: folder, code: code)
    }
  }

  /// Bytes that are free where `path` will be written; nil where the system does not tell.
  package static func freeBytes(at path: String) -> Int? {
    SystemCalls.freeBytes(at: parent(of: path))
  }

  /// Throws unless at least `needed` bytes are free where `path` will be written.
  package static func requireSpace(_ needed: Int, at path: String) throws {
    guard let free = freeBytes(at: path) else { return }
    guard free >= needed else { throw FileError.noSpace(path: path, needed: needed, free: free) }
  }
}
