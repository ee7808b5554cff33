#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Which process this is, among the machines that share a file system.
package struct ProcessIdentity: Sendable, Equatable {
  /// The name of the machine.
  package let host: String
  /// Its number there.
  package let process: Int
  /// Who runs it: the name in the environment, else the user's number.
  package let user: String

  /// Describes a process.
  package init(host: String, process: Int, user: String) {
    self.host = host
    self.process = process
    self.user = user
  }

  /// This process.
  package static var current: ProcessIdentity {
    var name = [CChar](repeating: 0, count: 256)
    let isKnown = unsafe gethostname(&name, name.count - 1) == 0
    let host = String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return ProcessIdentity(
      host: isKnown && !host.isEmpty ? host : "unknown host", process: Int(getpid()),
      user: Environment["USER"] ?? Environment["LOGNAME"] ?? "user \(getuid())")
  }
}

/// The variables that the process was started with.
package enum Environment {
  /// The value of a variable; nil where it is not set or empty.
  package static subscript(name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }
}

/// The time of day.
package enum WallClock {
  /// Seconds since 1970.
  package static var seconds: Int { time(nil) }
}

/// Waiting.
package enum Pause {
  /// Waits so long, or until a signal comes.
  package static func milliseconds(_ count: Int) { _ = usleep(UInt32(count * 1000)) }
}
