internal import Synchronization

/// A regular file opened for reading at positions, from any thread.
///
/// Nothing is mapped: a mapped file that another process shortens kills the reader with SIGBUS,
/// a positioned read reports it. So it does where someone writes to the file: what was read before
/// and what is read now would be of no one content.
public final class ReadableFile: Sendable {
  /// The path it was opened by.
  public let path: String
  /// The size in bytes when it was opened.
  public let size: Int

  /// When the file was last changed, in nanoseconds since 1970, when it was opened.
  package let changeTime: Int

  /// The open file, for processes that are to read the same one.
  package let descriptor: Int32

  /// Whether this process itself writes to the file meanwhile.
  private let mayChange = Atomic<Bool>(false)

  /// Opens a file without waiting, whatever it is.
  ///
  /// - Throws: `SystemError` where it can't be opened, `FileError.notARegularFile` for a folder,
  ///   FIFO, socket or device.
  public init(path: String) throws {
    descriptor = try SystemCalls.openPath(path, for: .reading)
    do {
      let status = try SystemCalls.status(descriptor: descriptor, path: path)
      guard status.isRegular else { throw FileError.notARegularFile(path: path) }
      self.path = path
      size = status.size
      changeTime = status.changeTime
    } catch {
      SystemCalls.closeDescriptor(descriptor)
      throw error
    }
  }

  deinit { SystemCalls.closeDescriptor(descriptor) }

  /// Fills a buffer from a position.
  ///
  /// - Throws: `FileError.endedEarly` where the file ends inside the range; `FileError.changed`.
  public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    try unsafe SystemCalls.fill(buffer, from: descriptor, at: offset, path: path)
    try checkUnchanged()
  }

  /// Looks whether what was read so far is what the file held when it was opened: the system notes the
  /// time of a change before anyone can read it.
  ///
  /// - Throws: `FileError.changed`.
  package func checkUnchanged() throws {
    if mayChange.load(ordering: .relaxed) { return }
    let status = try SystemCalls.status(descriptor: descriptor, path: path)
    guard status.changeTime == changeTime, status.size == size else {
      throw FileError.changed(path: path)
    }
  }

  /// Lets the file change from now on: this process writes to it.
  package func expectChanges() { mayChange.store(true, ordering: .relaxed) }

  /// The bytes of a range.
  public func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try unsafe read(
        at: offset,
        into: UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
      initialized = count
    }
  }

  /// The whole content of a small file.
  ///
  /// - Throws: `FileError.tooLarge` beyond `limit` bytes, before anything is read.
  public static func contents(of path: String, limit: Int) throws -> [UInt8] {
    let file = try ReadableFile(path: path)
    guard file.size <= limit else {
      throw FileError.tooLarge(path: path, found: file.size, limit: limit)
    }
    return try file.bytes(at: 0, count: file.size)
  }

  /// The whole text of a JSON file.
  ///
  /// - Throws: `FileError.jsonTooLarge` beyond `ReadingLimits.headerBytes`, before anything is read.
  package static func json(at path: String) throws -> [UInt8] {
    do {
      return try contents(of: path, limit: ReadingLimits.current.headerBytes)
    } catch FileError.tooLarge(_, let found, let limit) {
      throw FileError.jsonTooLarge(path: path, found: found, limit: limit)
    }
  }
}
