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
package enum FileSystem {
  package struct Status {
    package let mode: UInt32
    package let isLink: Bool
    package let isRegular: Bool
    package let inode: UInt64
  }

  /// The status of what lies at a path, links not followed; nil where there is nothing.
  package static func status(_ path: String) -> Status? {
    var raw = stat()
    guard lstat(path, &raw) == 0 else { return nil }
    return Status(
      mode: UInt32(raw.st_mode) & 0o7777, isLink: raw.st_mode & S_IFMT == S_IFLNK,
      isRegular: raw.st_mode & S_IFMT == S_IFREG, inode: UInt64(raw.st_ino))
  }

  package static func setMode(_ mode: UInt32, of path: String) throws {
    try #require(chmod(path, mode_t(mode)) == 0)
  }

  package static func remove(_ path: String) throws { try #require(unlink(path) == 0) }

  /// Makes a link that leads to `target`.
  package static func link(_ path: String, to target: String) throws {
    try #require(symlink(target, path) == 0)
  }

  /// Gives a file a second name.
  package static func hardLink(_ path: String, to target: String) throws {
    #if canImport(Darwin)
      try #require(Darwin.link(target, path) == 0)
    #elseif canImport(Glibc)
      try #require(Glibc.link(target, path) == 0)
    #else
      try #require(Musl.link(target, path) == 0)
    #endif
  }

  package static func makeFIFO(_ path: String) throws {
    try #require(mkfifo(path, 0o600) == 0)
  }

  package static func truncate(_ path: String, to size: Int) throws {
    #if canImport(Darwin)
      try #require(Darwin.truncate(path, off_t(size)) == 0)
    #elseif canImport(Glibc)
      try #require(Glibc.truncate(path, off_t(size)) == 0)
    #else
      try #require(Musl.truncate(path, off_t(size)) == 0)
    #endif
  }

  /// Writes a file in place with the C library alone, without the flush to the disk that makes
  /// thousands of them slow.
  package static func write(_ bytes: [UInt8], to path: String) throws {
    let stream = try #require(fopen(path, "w"))
    let written = fwrite(bytes, 1, bytes.count, stream)
    try #require(fclose(stream) == 0 && written == bytes.count)
  }

  /// Changes bytes of a file.
  package static func overwrite(_ path: String, at offset: Int, with bytes: [UInt8]) throws {
    let file = try #require(fopen(path, "r+b"))
    let done = fseek(file, offset, SEEK_SET) == 0 && fwrite(bytes, 1, bytes.count, file) > 0
    try #require(fclose(file) == 0 && done)
  }

  /// Calls `body` while this process holds the lock of a file or folder, as a living owner does.
  package static func whileLocked(_ path: String, _ body: () throws -> Void) throws {
    let descriptor = open(path, O_RDONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    try body()
  }

  package static func contents(_ path: String) throws -> [UInt8] {
    try ReadableFile.contents(of: path, limit: 1 << 20)
  }
}
