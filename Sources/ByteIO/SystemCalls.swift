// The calls into the operating system, each once: EINTR is retried, errno becomes `SystemError`.

internal import CPlatform

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

enum SystemCalls {
  /// What `stat` tells of a path that the package asks about.
  struct Status {
    let isRegular: Bool
    let isFolder: Bool
    let isLink: Bool
    let size: Int
    let mode: UInt32
    let device: UInt64
    let inode: UInt64
    /// When the content was last changed, in nanoseconds since 1970.
    let changeTime: Int
    /// The number of names the file has.
    let nameCount: Int

    init(_ raw: stat) {
      isRegular = raw.st_mode & S_IFMT == S_IFREG
      isFolder = raw.st_mode & S_IFMT == S_IFDIR
      isLink = raw.st_mode & S_IFMT == S_IFLNK
      size = Int(raw.st_size)
      mode = UInt32(raw.st_mode) & 0o7777
      device = UInt64(truncatingIfNeeded: raw.st_dev)
      inode = UInt64(truncatingIfNeeded: raw.st_ino)
      #if canImport(Darwin)
        let time = raw.st_mtimespec
      #else
        let time = raw.st_mtim
      #endif
      changeTime = Int(time.tv_sec) &* 1_000_000_000 &+ Int(time.tv_nsec)
      nameCount = Int(raw.st_nlink)
    }
  }

  static func retrying(
    _ operation: String, _ path: String, _ call: () -> Int
  ) throws(SystemError) -> Int {
    while true {
      let result = call()
      if result >= 0 { return result }
      if errno != EINTR { throw .current(operation, path) }
    }
  }

  /// What a path is opened for.
  enum Purpose {
    /// To be read; never waits, whatever lies there.
    case reading
    /// To be created with a mode (less the process's mask), written and read back.
    case creating(mode: UInt32)
    /// To be read and written as it is, without following a link; never waits.
    case updating
    /// To be locked, without following a link.
    case locking

    fileprivate var flags: Int32 {
      switch self {
      case .reading: O_RDONLY | O_NONBLOCK
      case .creating: O_RDWR | O_CREAT | O_EXCL
      case .updating: O_RDWR | O_NOFOLLOW | O_NONBLOCK
      case .locking: O_RDONLY | O_NOFOLLOW | O_NONBLOCK
      }
    }
  }

  /// Opens or creates; errors name `reportedPath` where the user knows the file by another path.
  static func openPath(
    _ path: String, for purpose: Purpose, reportedPath: String? = nil
  ) throws(SystemError) -> Int32 {
    var (verb, mode) = ("open", mode_t(0))
    if case .creating(let wanted) = purpose { (verb, mode) = ("create", mode_t(wanted)) }
    return Int32(
      try retrying(verb, reportedPath ?? path) {
        unsafe Int(open(path, purpose.flags | O_CLOEXEC, mode))
      })
  }

  static func closeDescriptor(_ descriptor: Int32) { _ = close(descriptor) }

  static func status(descriptor: Int32, path: String) throws(SystemError) -> Status {
    var raw = stat()
    _ = try retrying("inspect", path) { unsafe Int(fstat(descriptor, &raw)) }
    return Status(raw)
  }

  /// The status of what the path leads to, or of a link itself; nil where there is nothing.
  static func status(path: String, followingLinks: Bool = true) throws(SystemError) -> Status? {
    var raw = stat()
    if unsafe (followingLinks ? stat(path, &raw) : lstat(path, &raw)) == 0 { return Status(raw) }
    if errno == ENOENT || errno == ENOTDIR { return nil }
    throw .current("inspect", path)
  }

  /// Reads until the buffer is full or the file ends; returns the bytes read.
  static func read(
    _ descriptor: Int32, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, path: String
  ) throws(SystemError) -> Int {
    var done = 0
    while done < buffer.count {
      let count = try retrying("read", path) {
        unsafe pread(
          descriptor, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done,
          off_t(offset + done))
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Reads until the buffer is full.
  ///
  /// - Throws: `FileError.endedEarly` where the file ends before.
  static func fill(
    _ buffer: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int, path: String
  ) throws {
    let count = try unsafe read(descriptor, at: offset, into: buffer, path: path)
    guard count == buffer.count else {
      throw FileError.endedEarly(path: path, offset: offset + count, missing: buffer.count - count)
    }
  }

  static func write(
    _ descriptor: Int32, at offset: Int, _ buffer: UnsafeRawBufferPointer, path: String
  ) throws(SystemError) {
    var done = 0
    while done < buffer.count {
      done += try retrying("write", path) {
        unsafe pwrite(
          descriptor, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done,
          off_t(offset + done))
      }
    }
  }

  /// Lets the system begin to write a range of the file to the disk, without waiting for it.
  static func startWriteback(_ descriptor: Int32, at offset: Int, count: Int) {
    #if os(Linux)
      // Only a hint: what fails here, `synchronize` reports.
      _ = rl_start_writeback(descriptor, Int64(offset), Int64(count))
    #endif
  }

  static func synchronize(_ descriptor: Int32, path: String) throws(SystemError) {
    // Not retried: after a failed fsync the kernel may have dropped the pages.
    if fsync(descriptor) != 0 { throw .current("flush to disk", path) }
  }

  /// Flushes what was written past the caches of the device, so that what is written later is
  /// never on it without what was written before.
  static func synchronizeDevice(_ descriptor: Int32, path: String) throws(SystemError) {
    #if canImport(Darwin)
      // There, fsync leaves bytes in the device's cache, which it may write in any order.
      if fcntl(descriptor, F_FULLFSYNC) != -1 { return }
    #endif
    try synchronize(descriptor, path: path)
  }

  /// Flushes a folder's entries, so that a rename survives a power cut.
  static func synchronizeFolder(_ path: String) throws(SystemError) {
    let descriptor = try openPath(path, for: .reading)
    defer { closeDescriptor(descriptor) }
    // Some file systems do not let a folder be synchronised; they order renames themselves.
    if fsync(descriptor) != 0, errno != EINVAL { throw .current("flush to disk", path) }
  }

  /// Gives the file its final size and, where the file system can, its disk blocks.
  static func reserve(_ descriptor: Int32, size: Int, path: String) throws(SystemError) {
    #if canImport(Darwin)
      let code: Int32 = EOPNOTSUPP
    #else
      let code = size == 0 ? 0 : posix_fallocate(descriptor, 0, off_t(size))
    #endif
    if code == 0 { return }
    guard code == EOPNOTSUPP || code == EINVAL || code == EINTR else {
      throw SystemError(operation: "reserve space for", path: path, code: code)
    }
    try truncate(descriptor, to: size, path: path)
  }

  /// Gives a file another size.
  static func truncate(_ descriptor: Int32, to size: Int, path: String) throws(SystemError) {
    _ = try retrying("resize", path) { Int(ftruncate(descriptor, off_t(size))) }
  }

  /// Copies within the kernel; returns the bytes copied, 0 where that can't be done.
  static func copy(
    from source: Int32, at sourceOffset: Int, to target: Int32, at targetOffset: Int, count: Int
  ) -> Int {
    #if os(Linux)
      var from = Int64(sourceOffset)
      var to = Int64(targetOffset)
      return unsafe max(0, rl_copy_file_range(source, &from, target, &to, UInt(count)))
    #else
      return 0
    #endif
  }

  /// Makes two ranges of whole blocks share them; false where that can't be done.
  static func clone(
    from source: Int32, at sourceOffset: Int, to target: Int32, at targetOffset: Int, count: Int
  ) -> Bool {
    #if os(Linux)
      return rl_clone_range(
        source, UInt64(sourceOffset), UInt64(count), target, UInt64(targetOffset)) == 0
    #else
      return false
    #endif
  }

  /// Renames; where `replacing` is false, an existing target is left alone and the result is false.
  static func move(_ source: String, _ target: String, replacing: Bool) throws(SystemError)
    -> Bool
  {
    if replacing {
      if unsafe rename(source, target) != 0 { throw .current("rename to", target) }
      return true
    }
    #if canImport(Darwin)
      let result = renamex_np(source, target, UInt32(RENAME_EXCL))
    #else
      let result = unsafe rl_rename(source, target, 1)
    #endif
    if result == 0 { return true }
    if errno == EEXIST { return false }
    guard errno == EINVAL || errno == ENOSYS || errno == ENOTSUP else {
      throw .current("rename to", target)
    }
    // A file system without that flag: look first, which leaves a small window.
    guard try status(path: target) == nil else { return false }
    return try move(source, target, replacing: true)
  }

  /// Exchanges two paths in one step; false where the file system can't.
  static func exchange(_ first: String, _ second: String) throws(SystemError) -> Bool {
    #if canImport(Darwin)
      let result = renamex_np(first, second, UInt32(RENAME_SWAP))
    #else
      let result = unsafe rl_rename(first, second, 2)
    #endif
    if result == 0 { return true }
    if errno == EINVAL || errno == ENOSYS || errno == ENOTSUP { return false }
    throw .current("rename to", second)
  }

  /// Removes what is only in the way: a failure leaves it for the next run.
  static func remove(_ path: String) {
    _ = unsafe unlink(path)
  }

  /// Removes a file that must be gone.
  static func removeForGood(_ path: String) throws(SystemError) {
    if unsafe unlink(path) != 0, errno != ENOENT { throw .current("remove", path) }
  }

  static func makeFolder(_ path: String, reportedPath: String) throws(SystemError) {
    if unsafe mkdir(path, 0o777) != 0 { throw .current("create folder", reportedPath) }
  }

  /// How far the removal of a folder came.
  enum FolderRemoval {
    /// The folder is gone.
    case done
    /// There are files in it.
    case hasEntries
    /// The path is none of a folder.
    case isNoFolder
    /// The system did not let it go, or it was gone before.
    case failed
  }

  /// Removes a folder that is in the way, if it is empty.
  @discardableResult
  static func removeFolder(_ path: String) -> FolderRemoval {
    if unsafe rmdir(path) == 0 { return .done }
    switch errno {
    case ENOTEMPTY, EEXIST: return .hasEntries
    case ENOTDIR: return .isNoFolder
    default: return .failed
    }
  }

  /// Names in a folder without `.` and `..`, sorted by bytes.
  static func entries(of folder: String) throws(SystemError) -> [String] {
    guard let stream = unsafe opendir(folder) else { throw .current("list", folder) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        // Nothing more, or an error: only errno tells.
        if errno != 0 { throw .current("list", folder) }
        break
      }
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(cString: $0)
        }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Takes a lock that ends with the descriptor, exclusive or shared with others who share it; false
  /// when another process holds it.
  static func lock(_ descriptor: Int32, sharing: Bool = false) -> Bool {
    flock(descriptor, (sharing ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0
  }

  static func setMode(_ descriptor: Int32, _ mode: UInt32, path: String) throws(SystemError) {
    _ = try retrying("set the mode of", path) { Int(fchmod(descriptor, mode_t(mode))) }
  }

  static func freeBytes(at path: String) -> Int? {
    var raw = statvfs()
    guard unsafe statvfs(path, &raw) == 0 else { return nil }
    return Int(
      clamping: UInt64(raw.f_bavail).multipliedReportingOverflow(by: UInt64(raw.f_frsize))
        .partialValue)
  }

  static func resolvedPath(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  static func coreCount() -> Int {
    #if os(Linux)
      // A job of a cluster may be bound to some of the machine's.
      let count = Int(rl_core_count())
      if count > 0 { return count }
    #endif
    return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  }

  /// The bytes of memory the machine has.
  static func memoryByteCount() -> Int {
    max(0, sysconf(Int32(_SC_PHYS_PAGES))) * max(0, sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Whether that much address space is left under the process's limit: it is asked for and given
  /// back.
  static func hasAddressSpace(_ byteCount: Int) -> Bool {
    guard let start = unsafe mmap(nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0),
      unsafe start != MAP_FAILED
    else { return false }
    unsafe munmap(start, byteCount)
    return true
  }

  /// The errno that keeps files from being created in a folder; nil where they can be.
  static func whyNotWritable(_ folder: String) -> Int32? {
    unsafe access("\(folder)/.", W_OK | X_OK) == 0 ? nil : errno
  }

  // MARK: Errors

  /// The errno of the call that just failed.
  static var lastError: Int32 { errno }

  /// Whether an errno says that another process holds a lock; others say that there are no locks.
  static func meansLocked(_ code: Int32) -> Bool { code == EWOULDBLOCK }

  /// Whether an errno says that nothing is at the path.
  static func meansAbsent(_ code: Int32) -> Bool { code == ENOENT || code == ENOTDIR }

  /// An errno in words.
  static func message(of code: Int32) -> String { unsafe String(cString: strerror(code)) }

  // MARK: Memory

  /// Whether two buffers hold the same bytes.
  static func areEqual(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Bool {
    guard first.count == second.count else { return false }
    guard let a = first.baseAddress, let b = second.baseAddress else { return true }
    return unsafe memcmp(a, b, first.count) == 0
  }
}
