import ByteIO

/// Names for results beside their inputs.
enum DefaultName {
  /// An input's path as the begin of a result's: a file without its extension, a folder whole, and
  /// `.` or `..` as the folder they stand for.
  static func stem(of input: String) throws -> String {
    if try Paths.kind(of: input) == .file { return Paths.withoutExtension(input) }
    let name = Paths.name(of: input)
    guard name == "." || name == "..", let resolved = Paths.resolved(input) else {
      return Paths.withoutTrailingSlashes(input)
    }
    return resolved
  }
}
