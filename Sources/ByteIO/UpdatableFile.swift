internal import Tensors

/// A regular file that is read and written in place at positions, from any thread, and that no
/// other run of the tool opens so at the same time.
///
/// Nothing is created or cut off. A link is refused, and so is a file with several names: it would
/// change under all of them.
package final class UpdatableFile: Sendable {
  /// The path it was opened by.
  package let path: String
  /// The size in bytes when it was opened.
  package let size: Int
  /// What tells the file from another one that gets its name later.
  package let inode: UInt64

  private let mode: UInt32
  private let descriptor: Int32

  /// Opens and locks a file.
  ///
  /// - Throws: `FileError.hasOtherNames` for links, `FileError.notARegularFile` for anything else
  ///   that is no file; `FileError.inUse` where another process holds the lock; `SystemError`.
  package init(path: String) throws {
    if let status = try SystemCalls.status(path: path, followingLinks: false), status.isLink {
      throw FileError.hasOtherNames(path: path)
    }
    let descriptor = try SystemCalls.openPath(path, for: .updating)
    do {
      let status = try SystemCalls.status(descriptor: descriptor, path: path)
      guard status.isRegular else { throw FileError.notARegularFile(path: path) }
      guard status.nameCount == 1 else { throw FileError.hasOtherNames(path: path) }
      guard SystemCalls.lock(descriptor) else { throw FileError.inUse(path: path) }
      self.path = path
      self.descriptor = descriptor
      size = status.size
      inode = status.inode
      mode = status.mode
    } catch {
      SystemCalls.closeDescriptor(descriptor)
      throw error
    }
  }

  deinit { SystemCalls.closeDescriptor(descriptor) }

  /// Fills a buffer from a position.
  ///
  /// - Throws: `FileError.endedEarly` where the file ends inside the range.
  package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    try unsafe SystemCalls.fill(buffer, from: descriptor, at: offset, path: path)
  }

  /// The bytes of a range.
  package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try unsafe bytes.withUnsafeMutableBytes { try unsafe read(at: offset, into: $0) }
    return bytes
  }

  /// Writes bytes at a position; the file grows where they reach beyond its end.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    try unsafe SystemCalls.write(descriptor, at: offset, bytes, path: path)
  }

  /// Called before every flush of the current task, by tests that show what a power cut leaves: the
  /// bytes written since the last flush may be there, or not, in any mixture.
  @TaskLocal package static var beforeSynchronizing: (@Sendable (_ path: String) throws -> Void)?

  /// Flushes what was written to the device; an error is final.
  package func synchronize() throws {
    try UpdatableFile.beforeSynchronizing?(path)
    try SystemCalls.synchronizeDevice(descriptor, path: path)
  }

  /// Lets the same people read and write it as another file.
  package func takeMode(of other: UpdatableFile) throws {
    try SystemCalls.setMode(descriptor, other.mode, path: path)
  }

  /// The size it has now.
  package func currentSize() throws -> Int {
    try SystemCalls.status(descriptor: descriptor, path: path).size
  }

  /// Removes the file's name. After a power cut it may be there again.
  package func remove() throws {
    try SystemCalls.removeForGood(path)
    try? SystemCalls.synchronizeFolder(Paths.parent(of: path))
  }
}
