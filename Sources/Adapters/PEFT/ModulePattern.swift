package import Tensors

/// A key of PEFT's `rank_pattern` or `alpha_pattern`: a regular expression KEY that applies to a
/// module when `(.*\.)?(KEY)$` matches from the start of its name.
///
/// Matching walks all alternatives at once (Thompson's construction), so it takes time
/// proportional to pattern times name whatever the pattern; Python's backtracking may not.
package struct ModulePattern: Sendable {
  private enum Form: Sendable {
    /// Plain text, nil for a dot: what most keys are, and much quicker to compare.
    case text([Unicode.Scalar?])
    case program([PatternProgram.Instruction])
  }

  private let form: Form

  /// Compiles a key.
  ///
  /// - Throws: `PatternError` for constructs that no linear matcher has, malformed text, or a
  ///   pattern that unrolls to too much.
  package init(_ key: String) throws(PatternError) {
    var parser = PatternParser(key)
    let body = try parser.parse()
    if let text = body.plainText {
      form = .text(text)
      return
    }
    let prefix = PatternNode.repeated(
      .sequence([.repeated(.any, 0, nil), .one(".")]), 0, 1)
    form = .program(try PatternProgram.compile(.sequence([prefix, body]), key: key))
  }

  /// Whether the key applies to a module.
  package func matches(_ module: TensorName) -> Bool {
    let name = Array(module.string.unicodeScalars)
    return switch form {
    case .text(let key): ModulePattern.ends(name, with: key)
    case .program(let program): PatternProgram.matches(program, name)
    }
  }

  /// Whether a name is a key, or ends in one after a dot and anything but line ends.
  private static func ends(_ name: [Unicode.Scalar], with key: [Unicode.Scalar?]) -> Bool {
    let start = name.count - key.count
    guard start >= 0, start == 0 || name[start - 1] == "." else { return false }
    let isEqual = zip(key, name[start...]).allSatisfy { expected, found in
      expected.map { $0 == found } ?? (found != "\n")
    }
    return isEqual && !name[..<start].contains("\n")
  }

  /// A key that applies to this module, with its special characters escaped; dots stay as they
  /// are, since many readers compare keys as plain text.
  package static func literal(_ module: TensorName) -> String {
    var key = ""
    for scalar in module.string.unicodeScalars {
      if "\\+*?()[]{}|^$".unicodeScalars.contains(scalar) { key += "\\" }
      key.unicodeScalars.append(scalar)
    }
    return key
  }
}

/// Why a pattern is refused.
package enum PatternError: Error, Equatable, CustomStringConvertible {
  /// Lookaround, backreferences and other things a linear matcher can't do.
  case unsupported(pattern: String, construct: String)
  /// Not a regular expression.
  case malformed(pattern: String, reason: String)
  /// Unrolls to more than the allowed number of instructions.
  case tooLarge(pattern: String, limit: Int)

  /// The reason in words.
  package var description: String {
    func short(_ pattern: String) -> String {
      let shown = pattern.count > 60 ? "\(pattern.prefix(60))…" : pattern
      return "pattern '\(shown.escapedForTerminal)'"
    }
    return switch self {
    case .unsupported(let pattern, let construct): "\(short(pattern)) uses \(construct)"
    case .malformed(let pattern, let reason): "\(short(pattern)) is malformed: \(reason)"
    case .tooLarge(let pattern, let limit):
      "\(short(pattern)) is too large (expected at most \(limit) steps)"
    }
  }
}
