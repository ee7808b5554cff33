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
  /// Makes a link that leads to `target`.
  static func link(_ path: String, to target: String) throws {
    try #require(symlink(target, path) == 0)
  }

  /// Gives a file a second name.
  static func hardLink(_ path: String, to target: String) throws {
    #if canImport(Darwin)
      try #require(Darwin.link(target, path) == 0)
    #elseif canImport(Glibc)
      try #require(Glibc.link(target, path) == 0)
    #else
      try #require(Musl.link(target, path) == 0)
    #endif
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
}
