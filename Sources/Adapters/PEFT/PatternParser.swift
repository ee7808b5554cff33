/// A regular expression as a tree.
indirect enum PatternNode {
  case one(Unicode.Scalar)
  case any
  case set([ClosedRange<Unicode.Scalar>], negated: Bool)
  case start
  case end
  case sequence([PatternNode])
  case choice([PatternNode])
  case repeated(PatternNode, Int, Int?)
}

/// Parses the part of Python's regular expressions that a linear matcher can do.
struct PatternParser {
  private static let maximumDepth = 64
  private static let maximumRepeat = 1000

  private let pattern: String
  private let text: [Unicode.Scalar]
  private var position = 0
  private var depth = 0

  init(_ pattern: String) {
    self.pattern = pattern
    text = Array(pattern.unicodeScalars)
  }

  mutating func parse() throws(PatternError) -> PatternNode {
    let node = try parseChoice()
    guard position == text.count else { throw malformed("unbalanced ')'") }
    return node
  }

  private func malformed(_ reason: String) -> PatternError {
    .malformed(pattern: pattern, reason: reason)
  }

  private func unsupported(_ construct: String) -> PatternError {
    .unsupported(pattern: pattern, construct: construct)
  }

  private var next: Unicode.Scalar? { position < text.count ? text[position] : nil }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    position += 1
    return true
  }

  private mutating func parseChoice() throws(PatternError) -> PatternNode {
    var branches = [try parseSequence()]
    while take("|") { branches.append(try parseSequence()) }
    return branches.count == 1 ? branches[0] : .choice(branches)
  }

  private mutating func parseSequence() throws(PatternError) -> PatternNode {
    var nodes: [PatternNode] = []
    while let scalar = next, scalar != "|", scalar != ")" {
      nodes.append(try parseRepeats(of: try parseAtom()))
    }
    return .sequence(nodes)
  }

  private mutating func parseAtom() throws(PatternError) -> PatternNode {
    let scalar = text[position]
    position += 1
    switch scalar {
    case ".": return .any
    case "^": return .start
    case "$": return .end
    case "(": return try parseGroup()
    case "[": return try parseSet()
    case "\\": return try parseEscape()
    case "*", "+", "?": throw malformed("nothing to repeat")
    default: return .one(scalar)
    }
  }

  private mutating func parseGroup() throws(PatternError) -> PatternNode {
    depth += 1
    guard depth <= PatternParser.maximumDepth else { throw malformed("nests too deeply") }
    defer { depth -= 1 }
    if take("?"), !take(":") { throw unsupported("a (?…) group") }
    let node = try parseChoice()
    guard take(")") else { throw malformed("unbalanced '('") }
    return node
  }

  private mutating func parseRepeats(of atom: PatternNode) throws(PatternError) -> PatternNode {
    guard let scalar = next else { return atom }
    var node = atom
    switch scalar {
    case "*": node = .repeated(atom, 0, nil)
    case "+": node = .repeated(atom, 1, nil)
    case "?": node = .repeated(atom, 0, 1)
    case "{":
      guard let (low, high) = try parseCounts() else { return atom }
      node = .repeated(atom, low, high)
      position -= 1
    default: return atom
    }
    position += 1
    if take("?") { return node }  // laziness does not change what matches
    if let after = next, after == "*" || after == "+" { throw malformed("multiple repeat") }
    return node
  }

  /// Counts in braces, `position` after them; nil, and nothing taken, where they are plain text.
  private mutating func parseCounts() throws(PatternError) -> (Int, Int?)? {
    guard let close = text[position...].firstIndex(of: "}") else { return nil }
    let parts = text[(position + 1)..<close].split(
      separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    let numbers = parts.map { part in String(String.UnicodeScalarView(part)) }
    guard numbers.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
      numbers.contains(where: { !$0.isEmpty })
    else { return nil }
    let low = numbers[0].isEmpty ? 0 : Int(numbers[0]) ?? .max
    let high = numbers.count == 1 ? low : numbers[1].isEmpty ? nil : Int(numbers[1]) ?? .max
    guard max(low, high ?? 0) <= PatternParser.maximumRepeat else {
      throw .tooLarge(pattern: pattern, limit: PatternParser.maximumRepeat)
    }
    if let high, high < low { throw malformed("counts reversed") }
    position = close + 1
    return (low, high)
  }

  private mutating func parseSet() throws(PatternError) -> PatternNode {
    let negated = take("^")
    var ranges: [ClosedRange<Unicode.Scalar>] = []
    var isFirst = true
    while let scalar = next, scalar != "]" || isFirst {
      isFirst = false
      position += 1
      var low = scalar
      if scalar == "\\" {
        switch try parseEscape() {
        case .set(let inner, negated: false):
          ranges += inner
          continue
        case .one(let escaped): low = escaped
        default: throw unsupported("a negated class inside a set")
        }
      }
      if next == "-", position + 1 < text.count, text[position + 1] != "]" {
        let high = text[position + 1]
        guard high != "\\", low <= high else { throw malformed("bad range in a set") }
        position += 2
        ranges.append(low...high)
      } else {
        ranges.append(low...low)
      }
    }
    guard take("]") else { throw malformed("unbalanced '['") }
    return .set(ranges, negated: negated)
  }

  private mutating func parseEscape() throws(PatternError) -> PatternNode {
    guard let scalar = next else { throw malformed("ends in a backslash") }
    position += 1
    let digits: [ClosedRange<Unicode.Scalar>] = ["0"..."9"]
    let word: [ClosedRange<Unicode.Scalar>] = ["0"..."9", "A"..."Z", "a"..."z", "_"..."_"]
    let space: [ClosedRange<Unicode.Scalar>] = [" "..." ", "\t"..."\r"]
    switch scalar {
    case "d": return .set(digits, negated: false)
    case "D": return .set(digits, negated: true)
    case "w": return .set(word, negated: false)
    case "W": return .set(word, negated: true)
    case "s": return .set(space, negated: false)
    case "S": return .set(space, negated: true)
    case "n": return .one("\n")
    case "t": return .one("\t")
    case "0"..."9", "a"..."z", "A"..."Z": throw unsupported("the escape \\\(scalar)")
    default: return .one(scalar)
    }
  }
}
