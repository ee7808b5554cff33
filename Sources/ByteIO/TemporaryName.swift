/// The name of an unfinished output beside its final path: `.NAME.HEX.partial`.
struct TemporaryName {
  let path: String

  private static let suffix = ".partial"

  init(for target: String) {
    var generator = SystemRandomNumberGenerator()
    let token = String(generator.next() as UInt64, radix: 16)
    path = Paths.join(
      Paths.parent(of: target),
      "\(TemporaryName.prefix(for: target))\(token)\(TemporaryName.suffix)")
  }

  /// `.NAME.partial`, for work that another run may go on with; never removed as abandoned.
  init(unchangingFor target: String) {
    path = Paths.join(
      Paths.parent(of: target),
      "\(TemporaryName.prefix(for: target))\(TemporaryName.suffix.dropFirst())")
  }

  private static func prefix(for target: String) -> String {
    // A file name holds at most 255 bytes, and a character may have many.
    var name = Paths.name(of: target)
    while name.utf8.count > 200 { name.removeLast() }
    return ".\(name)."
  }

  /// Creates something for a target by `open`, which opens it, and locks it while its owner lives.
  ///
  /// Before it is locked another run may take it for abandoned and remove it; then there is a next one.
  /// - Parameter open: nil where what it has just created is gone.
  /// - Throws: what `open` throws; `FileError.inUse` where it is removed again and again.
  static func create(
    for target: String, removing remove: (String) -> Void,
    opening open: (TemporaryName) throws -> Int32?
  ) throws -> (name: TemporaryName, descriptor: Int32) {
    for _ in 0..<8 {
      let name = TemporaryName(for: target)
      guard let descriptor = try open(name) else { continue }
      let isTaken = !SystemCalls.lock(descriptor) && SystemCalls.meansLocked(SystemCalls.lastError)
      // Nobody else gives anything that name.
      if !isTaken, (try? SystemCalls.status(path: name.path, followingLinks: false)) != nil {
        return (name, descriptor)
      }
      remove(name.path)
      SystemCalls.closeDescriptor(descriptor)
    }
    throw FileError.inUse(path: target)
  }

  /// Removes temporaries of the same target whose owner is gone: those nobody has locked.
  static func removeAbandoned(besides target: String) {
    let folder = Paths.parent(of: target)
    let prefix = prefix(for: target)
    guard let names = try? SystemCalls.entries(of: folder) else { return }
    for name in names where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      let token = name.dropFirst(prefix.count).dropLast(suffix.count)
      guard !token.isEmpty, token.allSatisfy(\.isHexDigit) else { continue }
      let path = Paths.join(folder, name)
      guard let status = try? SystemCalls.status(path: path, followingLinks: false) else {
        continue
      }
      if status.isFolder {
        OutputFolder.removeAbandoned(path)
      } else if let descriptor = try? SystemCalls.openPath(path, for: .locking) {
        if SystemCalls.lock(descriptor) { SystemCalls.remove(path) }
        SystemCalls.closeDescriptor(descriptor)
      }
    }
  }
}
