internal import Synchronization
internal import Tensors

/// A file that appears under its name only when it is complete.
///
/// Bytes go to a temporary file in the same folder, whose name starts with a dot and ends in
/// `.partial`, so that no pattern for model files matches it. `commit` flushes it, checks its size,
/// gives it the mode of the file it replaces and renames it; without `commit` it is removed. A link
/// in the place of the file is replaced, not followed.
/// Temporaries that a killed run of the tool left behind are removed first: each holds a lock
/// while its owner lives. Writes are safe from several threads.
public final class OutputFile: Sendable {
  /// Where the file will appear.
  public let path: String
  /// The size it will have, or the most it may have where `commit(size:)` says which.
  public let size: Int

  /// Where the bytes lie until the file has its name.
  package var temporaryPath: String { temporary.path }

  /// The open file, for libraries that write by descriptor.
  package let descriptor: Int32
  private let temporary: TemporaryName
  private let replacing: Bool
  /// Whether the file system may share blocks; false once it would not.
  private let canShare = Atomic<Bool>(true)
  /// The mode of the file it is to replace.
  private let replacedMode: UInt32?

  /// Checks that a file can appear under a path.
  ///
  /// - Throws: `FileError.exists` where the path is taken and `replacing` is false,
  ///   `FileError.notARegularFile` where it is taken by a folder, device or FIFO; `SystemError`.
  public static func check(path: String, replacing: Bool) throws {
    if !replacing, try SystemCalls.status(path: path, followingLinks: false) != nil {
      throw FileError.exists(path: path)
    }
    if let status = try SystemCalls.status(path: path), !status.isRegular {
      throw FileError.notARegularFile(path: path)
    }
  }

  /// Creates the temporary file and reserves its space.
  ///
  /// - Throws: as `check(path:replacing:)`; `FileError.noSpace`, `SystemError`.
  public init(path: String, size: Int, replacing: Bool) throws {
    try OutputFile.check(path: path, replacing: replacing)
    let replaced = try SystemCalls.status(path: path)
    try Paths.requireSpace(size, at: path)
    TemporaryName.removeAbandoned(besides: path)
    // A new file's mode is 0666 less the process's mask from the start; there is no way to ask for
    // the mask that is safe among threads.
    let mode: UInt32 = replaced == nil ? 0o666 : 0o600
    let (temporary, descriptor) = try TemporaryName.create(
      for: path, removing: SystemCalls.remove
    ) {
      try SystemCalls.openPath($0.path, for: .creating(mode: mode), reportedPath: path)
    }
    do {
      try SystemCalls.reserve(descriptor, size: size, path: path)
    } catch {
      SystemCalls.remove(temporary.path)
      SystemCalls.closeDescriptor(descriptor)
      throw error
    }
    self.path = path
    self.size = size
    self.replacing = replacing
    replacedMode = replaced?.mode
    self.descriptor = descriptor
    self.temporary = temporary
  }

  deinit {
    // After a commit the temporary name is gone and removing it does nothing.
    SystemCalls.remove(temporary.path)
    SystemCalls.closeDescriptor(descriptor)
  }

  /// Writes bytes at a position; where they are many, the disk begins with them at once, so that
  /// little is left to flush in the end.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    try unsafe SystemCalls.write(descriptor, at: offset, bytes, path: path)
    startFlushing(at: offset, count: bytes.count)
  }

  private func startFlushing(at offset: Int, count: Int) {
    if count >= 64 << 10 {
      SystemCalls.startWriteback(descriptor, at: offset, count: count)
    }
  }

  /// Copies a range of another file, inside the kernel where it can.
  ///
  /// `scratch` is working space for file systems that can't.
  public func copy(
    from file: ReadableFile, at sourceOffset: Int, count: Int, to offset: Int,
    scratch: UnsafeMutableRawBufferPointer
  ) throws {
    unsafe precondition(!scratch.isEmpty)
    var done = 0
    while done < count {
      let copied = SystemCalls.copy(
        from: file.descriptor, at: sourceOffset + done, to: descriptor, at: offset + done,
        count: count - done)
      if copied == 0 { break }
      startFlushing(at: offset + done, count: copied)
      done += copied
    }
    if done > 0 { try file.checkUnchanged() }
    while done < count {
      let piece = unsafe UnsafeMutableRawBufferPointer(
        rebasing: scratch[..<min(scratch.count, count - done)])
      try unsafe file.read(at: sourceOffset + done, into: piece)
      try unsafe write(UnsafeRawBufferPointer(piece), at: offset + done)
      done += piece.count
    }
  }

  /// Makes a range the same disk blocks as a range of another file, which then hold both until one is
  /// written to; what does not fill whole blocks is copied.
  ///
  /// - Returns: false where the file system can't do that, or the ranges lie differently in their
  ///   blocks; nothing is written then.
  /// - Throws: errors of copying the ends.
  package func share(
    from file: ReadableFile, at sourceOffset: Int, count: Int, to offset: Int
  ) throws -> Bool {
    let block = 4096
    let head = (block - offset % block) % block
    guard (sourceOffset - offset) % block == 0, count >= head + block,
      canShare.load(ordering: .relaxed)
    else { return false }
    let middle = (count - head) / block * block
    guard
      SystemCalls.clone(
        from: file.descriptor, at: sourceOffset + head, to: descriptor, at: offset + head,
        count: middle)
    else {
      canShare.store(false, ordering: .relaxed)
      return false
    }
    try file.checkUnchanged()
    for end in [0..<head, (head + middle)..<count] where !end.isEmpty {
      try unsafe file.bytes(at: sourceOffset + end.lowerBound, count: end.count).withUnsafeBytes {
        try unsafe write($0, at: offset + end.lowerBound)
      }
    }
    return true
  }

  /// Reads back bytes that were written.
  public func readBack(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    try unsafe SystemCalls.fill(buffer, from: descriptor, at: offset, path: path)
  }

  /// Flushes what was written to the disk; an error is final.
  public func synchronize() throws {
    try SystemCalls.synchronize(descriptor, path: path)
  }

  /// Gives the file its name.
  ///
  /// - Throws: `FileError.wrongSize` where bytes are missing, `FileError.exists` where another
  ///   process took the name meanwhile, `SystemError`.
  public func commit() throws { try commit(size: size) }

  /// Gives the file its name where its size was not known before: `size` bytes from the beginning
  /// stay, what was reserved beyond them is given back.
  package func commit(size: Int) throws {
    if size < self.size { try SystemCalls.truncate(descriptor, to: size, path: path) }
    try synchronize()
    let found = try SystemCalls.status(descriptor: descriptor, path: path).size
    guard found == size else {
      throw FileError.wrongSize(path: path, found: found, expected: size)
    }
    let replaced = replacing ? try SystemCalls.status(path: path) : nil
    if let mode = replaced?.mode ?? replacedMode {
      try SystemCalls.setMode(descriptor, mode, path: path)
    }
    guard try SystemCalls.move(temporary.path, path, replacing: replacing) else {
      throw FileError.exists(path: path)
    }
    try SystemCalls.synchronizeFolder(Paths.parent(of: path))
  }

  /// Reads back what was written and compares every byte.
  ///
  /// - Throws: `FileError.damaged` where a byte differs.
  package func confirm(_ written: [UInt8], at offset: Int) throws {
    var found = [UInt8](repeating: 0, count: written.count)
    try unsafe found.withUnsafeMutableBytes { try unsafe readBack(at: offset, into: $0) }
    guard found == written else { throw FileError.damaged(path: path, offset: offset) }
  }

  /// Copies a file, atomically, and compares it.
  package static func copy(of source: String, to path: String, replacing: Bool) throws {
    let input = try ReadableFile(path: source)
    let file = try OutputFile(path: path, size: input.size, replacing: replacing)
    let scratch = AlignedBuffer(byteCount: 1 << 20)
    try unsafe file.copy(from: input, at: 0, count: input.size, to: 0, scratch: scratch.bytes)
    for offset in stride(from: 0, to: input.size, by: 1 << 20) {
      try file.confirm(
        input.bytes(at: offset, count: min(1 << 20, input.size - offset)), at: offset)
    }
    try file.commit()
  }

  /// Writes a small file in one go, atomically.
  public static func write(_ bytes: [UInt8], to path: String, replacing: Bool) throws {
    let file = try OutputFile(path: path, size: bytes.count, replacing: replacing)
    try unsafe bytes.withUnsafeBytes { try unsafe file.write($0, at: 0) }
    try file.confirm(bytes, at: 0)
    try file.commit()
  }
}
