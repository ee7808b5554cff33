internal import Tensors

/// The value of a JSON member or of an HDF5 attribute.
enum FieldValue {
  case string(String)
  case integer(Int)
  case number(Double)
  case integers([Int])
  /// Anything else, in words.
  case other(String)

  var words: String {
    switch self {
    case .string(let text): text.count > 60 ? "\"\(text.prefix(60))…\"" : "\"\(text)\""
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .integers(let values): "\(values)"
    case .other(let words): words
    }
  }
}

/// Named values, read one by one; every broken rule goes to `check`, after which the value counts as
/// absent.
struct Fields {
  let path: String
  /// Whose values these are, as errors say it: "block 'x'", or nil for the adapter's own.
  let owner: String?
  /// The rule of the Spec that lists them.
  let rule: String
  let check: RuleCheck
  /// The value of a key; nil where it is absent or null.
  let value: (String) -> FieldValue?

  func broken(_ reason: ContentError.Reason, rule: String? = nil) throws {
    try check.broken(error(reason, rule: rule))
  }

  func error(_ reason: ContentError.Reason, rule: String? = nil) -> ContentError {
    ContentError(path: path, owner: owner, rule: rule ?? self.rule, reason: reason)
  }

  private func bad(_ key: String, _ found: FieldValue, _ expected: String) throws {
    try broken(.badValue(key: key, found: found.words, expected: expected))
  }

  func string(_ key: String) throws -> String? {
    guard let found = value(key) else { return nil }
    if case .string(let text) = found { return text }
    try bad(key, found, "a string")
    return nil
  }

  func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let found = value(key) else { return nil }
    if case .integer(let integer) = found, range.contains(integer) { return integer }
    let end = range.upperBound == .max ? "on" : "to \(range.upperBound)"
    try bad(key, found, "a whole number from \(range.lowerBound) \(end)")
    return nil
  }

  func number(_ key: String) throws -> Double? {
    guard let found = value(key) else { return nil }
    if case .integer(let integer) = found { return Double(integer) }
    if case .number(let number) = found, number.isFinite { return number }
    try bad(key, found, "a finite number")
    return nil
  }

  func integers(_ key: String) throws -> [Int]? {
    guard let found = value(key) else { return nil }
    if case .integers(let integers) = found { return integers }
    try bad(key, found, "an array of whole numbers")
    return nil
  }

  func word<Word: RawRepresentable<String> & CaseIterable>(
    _ key: String, as type: Word.Type
  ) throws -> Word? {
    guard let text = try string(key) else { return nil }
    if let word = Word(rawValue: text) { return word }
    let words = Word.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
    try bad(key, .string(text), words)
    return nil
  }

  /// A value that must be there.
  func required<Value>(_ key: String, _ expected: String, _ found: Value?) throws -> Value? {
    if found == nil, value(key) == nil { try broken(.missing(key: key, expected: expected)) }
    return found
  }

  /// Checks what kind of document this is and its version; false where it can't be read.
  func checkFormat(_ format: String, version: Int) throws -> Bool {
    guard
      let found = try required("format", "\"\(format)\"", string("format")),
      let number = try required("version", "\(version)", integer("version", in: 0...Int.max))
    else { return false }
    guard found == format else {
      try bad("format", .string(found), "\"\(format)\"")
      return false
    }
    guard number == version else {
      try broken(.unknownVersion(found: number, known: version), rule: "Versions §2")
      return false
    }
    return true
  }
}
