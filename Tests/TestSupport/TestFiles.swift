public import ByteIO

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Where tests find the repository's files.
public enum TestFiles {
  /// The repository's root folder.
  public static let root: String = {
    let components = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return components.dropLast(3).joined(separator: "/")
  }()

  /// A path below `Fixtures/`.
  public static func fixture(_ path: String) -> String { "\(root)/Fixtures/\(path)" }

  /// A path below `../shared`, data for extra checks; nil where a checkout lacks it, and then the
  /// check says so and is skipped.
  public static func shared(_ path: String) -> String? {
    let full = "\(root)/../shared/\(path)"
    return access(full, R_OK) == 0 ? full : nil
  }

  /// The folder of files made to crash HDF5 programs, and their names: in RESLORA_SHARED or below
  /// `../shared/data`. Nil where there are none, and under the address sanitizer, which ends the library
  /// at its first stray read: an error of its own, in a process of its own, but not the one to expect.
  public static let hostileHDF5: (folder: String, names: [String])? = {
    if getenv("ASAN_OPTIONS") != nil { return nil }
    let folder = getenv("RESLORA_SHARED").map { "\(String(cString: $0))/hostile-hdf5" }
    guard let folder = folder ?? shared("data/hostile-hdf5"),
      let names = try? Paths.entries(of: folder).filter({ !$0.hasSuffix(".md") }), !names.isEmpty
    else { return nil }
    return (folder, names)
  }()

  /// A strict JSON file as a tree.
  public static func json(_ path: String) throws -> JSONValue {
    try JSONValue(parsing: ReadableFile.contents(of: path, limit: 1 << 24))
  }
}

/// A folder that lives as long as the value and is removed with all it holds.
public final class TemporaryFolder: Sendable {
  /// The folder's path.
  public let path: String

  /// Creates an empty folder.
  public init() {
    var template = Array("/tmp/resloratool-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("can't create a temporary folder") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { TemporaryFolder.removeTree(path) }

  /// The path of a name inside the folder.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file and returns its path.
  @discardableResult
  public func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
    let target = file(name)
    try OutputFile.write(Array(bytes), to: target, replacing: true)
    return target
  }

  /// Creates a folder inside and returns its path.
  public func folder(_ name: String) -> String {
    mkdir(file(name), 0o755)
    return file(name)
  }

  /// The names inside, hidden ones included, sorted.
  public var entries: [String] {
    guard let stream = opendir(path) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private static func removeTree(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      unlink(path)
      return
    }
    if let stream = opendir(path) {
      while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
          pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { removeTree("\(path)/\(name)") }
      }
      closedir(stream)
    }
    rmdir(path)
  }
}
