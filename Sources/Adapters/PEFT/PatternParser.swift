/// A regular expression as a tree.
indirect enum PatternNode {
  case one(Unicode.Scalar)
  case any
  case set(ScalarSet)
  case start
  case end
  case sequence([PatternNode])
  case choice([PatternNode])
  case repeated(PatternNode, Int, Int?)

  /// The scalars that it matches one by one, nil for any, where it is nothing but a row of them.
  var plainText: [Unicode.Scalar?]? {
    guard case .sequence(let nodes) = self else { return nil }
    var text: [Unicode.Scalar?] = []
    for node in nodes {
      switch node {
      case .one(let scalar): text.append(scalar)
      case .any: text.append(nil)
      default: return nil
      }
    }
    return text
  }
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
    case "{":
      position -= 1
      guard try parseCounts() == nil else { throw malformed("nothing to repeat") }
      position += 1
      return .one(scalar)
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
    guard let (low, high) = try parseCounts() else { return atom }
    switch atom {
    case .start, .end: throw malformed("nothing to repeat")
    default: break
    }
    // Laziness does not change what matches as a whole; possessiveness does.
    if !take("?"), next == "+" { throw unsupported("a possessive repeat") }
    guard try parseCounts() == nil else { throw malformed("multiple repeat") }
    return .repeated(atom, low, high)
  }

  /// How often what came before may stand; nil, and nothing taken, where no such thing is next.
  private mutating func parseCounts() throws(PatternError) -> (Int, Int?)? {
    if take("*") { return (0, nil) }
    if take("+") { return (1, nil) }
    if take("?") { return (0, 1) }
    let start = position
    guard take("{"), next != "}" else { return plainText(from: start) }
    let first = takeDigits()
    let second = take(",") ? takeDigits() : first
    guard take("}") else { return plainText(from: start) }
    let low = first.isEmpty ? 0 : Int(first) ?? .max
    let high = second.isEmpty ? nil : Int(second) ?? .max
    guard max(low, high ?? 0) <= PatternParser.maximumRepeat else {
      throw .tooLarge(pattern: pattern, limit: PatternParser.maximumRepeat)
    }
    if let high, high < low { throw malformed("counts reversed") }
    return (low, high)
  }

  /// Braces that hold no counts stand for themselves.
  private mutating func plainText(from start: Int) -> (Int, Int?)? {
    position = start
    return nil
  }

  private mutating func takeDigits() -> String {
    var digits = ""
    while let digit = next, ("0"..."9").contains(digit) {
      digits.unicodeScalars.append(digit)
      position += 1
    }
    return digits
  }

  private mutating func parseSet() throws(PatternError) -> PatternNode {
    let negated = take("^")
    var members: [ScalarSet.Member] = []
    var isFirst = true
    while let scalar = next, scalar != "]" || isFirst {
      isFirst = false
      position += 1
      let low = try parseMember(scalar)
      guard next == "-", position + 1 < text.count, text[position + 1] != "]" else {
        members.append(low)
        continue
      }
      position += 2
      guard case .range(let low) = low, case .range(let high) = try parseMember(text[position - 1]),
        low.lowerBound <= high.lowerBound
      else { throw malformed("bad range in a set") }
      members.append(.range(low.lowerBound...high.lowerBound))
    }
    guard take("]") else { throw malformed("unbalanced '['") }
    return .set(ScalarSet(members: members, negated: negated))
  }

  /// One scalar of a set, as a range of its own, or a class.
  private mutating func parseMember(_ scalar: Unicode.Scalar) throws(PatternError)
    -> ScalarSet.Member
  {
    guard scalar == "\\" else { return .range(scalar...scalar) }
    switch try parseEscape() {
    case .one(let escaped): return .range(escaped...escaped)
    case .set(let set): return set.members[0]
    default: preconditionFailure("an escape is a scalar or a class")
    }
  }

  private mutating func parseEscape() throws(PatternError) -> PatternNode {
    guard let scalar = next else { throw malformed("ends in a backslash") }
    position += 1
    func category(_ category: ScalarSet.Category, negated: Bool = false) -> PatternNode {
      .set(ScalarSet(members: [.category(category, negated: negated)], negated: false))
    }
    switch scalar {
    case "d": return category(.digit)
    case "D": return category(.digit, negated: true)
    case "w": return category(.word)
    case "W": return category(.word, negated: true)
    case "s": return category(.space)
    case "S": return category(.space, negated: true)
    case "n": return .one("\n")
    case "t": return .one("\t")
    case "0"..."9", "a"..."z", "A"..."Z": throw unsupported("the escape \\\(scalar)")
    default: return .one(scalar)
    }
  }
}
