import Tensors

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Standard output, every error of which is an error of the command: `print` drops them.
enum StandardOutput {
  /// The reader went away.
  struct Closed: Error {}

  /// A failed write.
  struct WriteError: DiagnosableError {
    let code: Int32
    var failureKind: FailureKind { .resource }
    var description: String {
      unsafe "standard output: can't write: \(String(cString: strerror(code)))"
    }
  }

  static let isTerminal = isatty(STDOUT_FILENO) == 1

  static func write(_ text: String) throws {
    guard let code = writeAll(text, to: STDOUT_FILENO) else { return }
    if code == EPIPE { throw Closed() }
    throw WriteError(code: code)
  }
}

/// Standard error, for errors, warnings and progress.
enum StandardError {
  static let isTerminal = isatty(STDERR_FILENO) == 1

  static func write(_ text: String) { _ = writeAll(text, to: STDERR_FILENO) }
}

/// Writes all of a text; the errno of a failure.
private func writeAll(_ text: String, to descriptor: Int32) -> Int32? {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 {
      if errno == EINTR { continue }
      return errno
    }
    rest = rest.dropFirst(count)
  }
  return nil
}
