/// What kind of failure an error is; the command line's exit status follows it.
public enum FailureKind: Sendable {
  /// The request itself is wrong.
  case usage
  /// A file's content is wrong.
  case badData
  /// The operating system refused, or a resource ran out.
  case resource
  /// A check that was asked for did not hold.
  case checkFailed
}

/// An error made to be shown: one line that names the file, the tensor or block, what was found,
/// what was expected, and what to do.
public protocol DiagnosableError: Error, CustomStringConvertible {
  /// What kind of failure it is.
  var failureKind: FailureKind { get }
}

/// An error that says which rule of the Spec a file breaks.
public protocol RuleViolation: DiagnosableError {
  /// The rule as the Spec is cited: "Container §3.2".
  var rule: String { get }
}

extension Collection {
  /// Up to 20 of them in words, and how many more there are, so that an error remains a line that
  /// people can read.
  package func listed(separator: String = ", ", _ words: (Element) -> String) -> String {
    let limit = 20
    let more = count > limit ? " and \(count - limit) more" : ""
    return prefix(limit).map(words).joined(separator: separator) + more
  }
}

extension Sequence where Element: Hashable {
  /// Each element once, in the order of the first of each.
  package var uniqued: [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}

extension String {
  /// The text with control characters and line separators written as `\u{…}`, so that names from
  /// a file can't steer a terminal.
  package var escapedForTerminal: String {
    // A name has at most 4 KiB; whatever is longer is a value that would flood the screen.
    if utf8.count > 5000 { return String(prefix(200)).escapedForTerminal + "…" }
    guard unicodeScalars.contains(where: \.steersTerminal) else { return self }
    var escaped = ""
    for scalar in unicodeScalars {
      if scalar.steersTerminal {
        escaped += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}

extension Unicode.Scalar {
  /// Controls, separators and the characters that change the direction of text.
  package var steersTerminal: Bool {
    switch value {
    case 0..<0x20, 0x7f..<0xa0, 0x61c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
    default: false
    }
  }
}
