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
  /// Writes a file in place, without the flush to the disk that makes thousands of them slow.
  static func write(_ bytes: [UInt8], to path: String) throws {
    let file = try #require(fopen(path, "wb"))
    let count = fwrite(bytes, 1, bytes.count, file)
    try #require(fclose(file) == 0 && count == bytes.count)
  }

  /// Changes bytes of a file.
  static func overwrite(_ path: String, at offset: Int, with bytes: [UInt8]) throws {
    let file = try #require(fopen(path, "r+b"))
    let done = fseek(file, offset, SEEK_SET) == 0 && fwrite(bytes, 1, bytes.count, file) > 0
    try #require(fclose(file) == 0 && done)
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
}
