import ByteIO
import Testing

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What tests do to files behind the package's back.
enum FileSystem {
  struct Status {
    let mode: UInt32
    let isLink: Bool
    let isRegular: Bool
    let inode: UInt64
  }

  /// The status of what lies at a path, links not followed; nil where there is nothing.
  static func status(_ path: String) -> Status? {
    var raw = stat()
    guard lstat(path, &raw) == 0 else { return nil }
    return Status(
      mode: UInt32(raw.st_mode) & 0o7777, isLink: raw.st_mode & S_IFMT == S_IFLNK,
      isRegular: raw.st_mode & S_IFMT == S_IFREG, inode: UInt64(raw.st_ino))
  }

  static func setMode(_ mode: UInt32, of path: String) throws {
    try #require(chmod(path, mode_t(mode)) == 0)
  }

  /// Makes a link that leads to `target`.
  static func link(_ path: String, to target: String) throws {
    try #require(symlink(target, path) == 0)
  }

  static func makeFIFO(_ path: String) throws {
    try #require(mkfifo(path, 0o600) == 0)
  }

  static func truncate(_ path: String, to size: Int) throws {
    #if canImport(Darwin)
      try #require(Darwin.truncate(path, off_t(size)) == 0)
    #elseif canImport(Glibc)
      try #require(Glibc.truncate(path, off_t(size)) == 0)
    #else
      try #require(Musl.truncate(path, off_t(size)) == 0)
    #endif
  }

  /// Writes a file with the C library alone.
  static func write(_ bytes: [UInt8], to path: String) throws {
    let stream = try #require(fopen(path, "w"))
    let written = fwrite(bytes, 1, bytes.count, stream)
    try #require(fclose(stream) == 0 && written == bytes.count)
  }

  /// Calls `body` while this process holds the lock of a file or folder, as a living owner does.
  static func whileLocked(_ path: String, _ body: () throws -> Void) throws {
    let descriptor = open(path, O_RDONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    try body()
  }

  static func contents(_ path: String) throws -> [UInt8] {
    try ReadableFile.contents(of: path, limit: 1 << 20)
  }
}
