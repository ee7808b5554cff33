#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Colour for terminals that want it.
enum Style {
  /// Whether standard output takes colour: a terminal, and `NO_COLOR` unset or empty.
  static let isOn =
    unsafe StandardOutput.isTerminal && (getenv("NO_COLOR").map { unsafe $0.pointee == 0 } ?? true)

  static func bold(_ text: String) -> String { isOn ? "\u{1b}[1m\(text)\u{1b}[0m" : text }
}
