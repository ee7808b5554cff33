/// Which files there are at a path, to tell later whether they are still the same.
package struct FileIdentities {
  private struct Identity: Equatable {
    let device: UInt64
    let inode: UInt64
    let size: Int
    let changeTime: Int

    init?(_ path: String) throws(SystemError) {
      guard let status = try SystemCalls.status(path: path) else { return nil }
      (device, inode) = (status.device, status.inode)
      (size, changeTime) = (status.size, status.changeTime)
    }
  }

  private var found: [String: Identity] = [:]

  /// Looks at a file, or at the files of a folder.
  package init(at path: String) throws(SystemError) {
    found[path] = try Identity(path)
    guard try Paths.kind(of: path) == .folder else { return }
    for name in try Paths.entries(of: path) {
      let path = Paths.join(path, name)
      found[path] = try Identity(path)
    }
  }

  /// Looks again at those of some files that were there.
  ///
  /// - Throws: `FileError.changed` where one is another file now, or has changed; `SystemError`.
  package func check(_ paths: [String]) throws {
    for path in paths {
      guard let before = found[path] else { continue }
      guard try Identity(path) == before else { throw FileError.changed(path: path) }
    }
  }
}
