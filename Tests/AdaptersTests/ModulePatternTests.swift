import Adapters
import Tensors
import TestSupport
import Testing

/// Keys of PEFT's `rank_pattern` and `alpha_pattern`.
@Suite(.timeLimit(.minutes(10))) struct ModulePatternTests {
  @Test("keys apply to what Python says", arguments: PatternTable.rows)
  func table(_ row: PatternTable.Row) throws {
    let pattern = try ModulePattern(row.key)
    for name in row.matching { #expect(pattern.matches(TensorName(name)), "\(name)") }
    for name in row.others { #expect(!pattern.matches(TensorName(name)), "\(name)") }
  }

  @Test(
    "74: patterns that take others for ever",
    arguments: [
      "(a+)+", "(a+)+$", "(a*)*b", "(a|a)*b", "(a|aa)+$", "(.*a){12}", "(a?){50}a{50}", "(.*)*x",
      "((a*)*)*b", "(a|b|ab)*c", ".*.*.*.*.*.*x",
    ])
  func pathological(_ key: String) throws {
    let pattern = try ModulePattern(key)
    let long = String(repeating: "a", count: 4000)
    let start = ContinuousClock.now
    _ = pattern.matches(TensorName(long + "!"))
    _ = pattern.matches(TensorName(long))
    #expect(start.duration(to: .now) < .seconds(10))
  }

  @Test("74: the names that such patterns apply to are found all the same")
  func pathologicalMatches() throws {
    let long = TensorName(String(repeating: "a", count: 4000))
    #expect(try ModulePattern("(a+)+$").matches(long))
    #expect(try !ModulePattern("(a+)+b").matches(long))
    #expect(
      try ModulePattern("(a?){50}a{50}").matches(TensorName(String(repeating: "a", count: 50))))
    #expect(try ModulePattern("(.*a){12}").matches(TensorName(String(repeating: "a", count: 12))))
    #expect(try !ModulePattern("(.*a){12}").matches(TensorName(String(repeating: "a", count: 11))))
  }

  @Test(
    "74: counts that multiply",
    arguments: [
      "((a{1000}){1000}){1000}", "(a{200}){200}", "((a{0,1000}){0,1000}){0,1000}",
      "(a|b{1000}){1000}", "((((){1000,}){1000,}){1000,}){1000,}",
      String(repeating: "a", count: 20_001) + "*",
    ])
  func multipliedCounts(_ key: String) throws {
    let error = #expect(throws: PatternError.self) { try ModulePattern(key) }
    #expect(error == .tooLarge(pattern: key, limit: 20_000))
    let shown = key.count > 60 ? "\(key.prefix(60))…" : key
    #expect(error?.description == "pattern '\(shown)' is too large (expected at most 20000 steps)")
  }

  @Test("74: counts of nothing", arguments: ["{1000}", "{0,1}", "*"])
  func nothingOften(_ count: String) throws {
    // Nested ten deep: (((){1000}){1000})…, a million million million million steps if taken so.
    var key = "()"
    for _ in 0..<10 { key = "(\(key)\(count))" }
    let pattern = try ModulePattern(key + "x")
    #expect(pattern.matches("l.x"))
    #expect(!pattern.matches("l.y"))
  }

  @Test("74: long keys of braces, brackets and bars", arguments: ["{", "{1", "[", "|", "}", "]"])
  func longKeys(_ piece: String) {
    let key = String(repeating: piece, count: 200_000)
    // Whether they are read or refused, they are so at once.
    _ = try? ModulePattern(key)
  }

  @Test(
    "a count over 1000", arguments: ["a{1001}", "a{0,1001}", "a{5000,}", "a{99999999999999999999}"])
  func largeCount(_ key: String) {
    #expect(throws: PatternError.tooLarge(pattern: key, limit: 1000)) { try ModulePattern(key) }
  }

  @Test(
    "what no linear matcher can do is named",
    arguments: [
      ("(?=a)b", "a (?…) group"), ("(?!a)b", "a (?…) group"), ("(?<=a)b", "a (?…) group"),
      ("(?<!a)b", "a (?…) group"), ("(?i)a", "a (?…) group"), ("(?P<n>a)", "a (?…) group"),
      ("(?>a)", "a (?…) group"), (#"(a)\1"#, #"the escape \1"#), (#"\bq"#, #"the escape \b"#),
      (#"\Aq"#, #"the escape \A"#), (#"q\Z"#, #"the escape \Z"#), (#"\x41"#, #"the escape \x"#),
      (#"\0"#, #"the escape \0"#), (#"[\b]"#, #"the escape \b"#), ("a++", "a possessive repeat"),
      ("a*+", "a possessive repeat"), ("a?+b", "a possessive repeat"),
      ("a{2}+", "a possessive repeat"),
    ])
  func unsupported(_ key: String, _ construct: String) {
    let error = #expect(throws: PatternError.self) { try ModulePattern(key) }
    #expect(error == .unsupported(pattern: key, construct: construct))
    #expect(error?.description == "pattern '\(key)' uses \(construct)")
  }

  @Test(
    "what Python refuses too",
    arguments: [
      ("(", "unbalanced '('"), ("(a", "unbalanced '('"), (")", "unbalanced ')'"),
      ("a)", "unbalanced ')'"), ("[", "unbalanced '['"), ("[a", "unbalanced '['"),
      ("[]", "unbalanced '['"), ("[^]", "unbalanced '['"), ("*", "nothing to repeat"),
      ("+a", "nothing to repeat"), ("{3}", "nothing to repeat"), ("a|*", "nothing to repeat"),
      ("(*a)", "nothing to repeat"), ("^*", "nothing to repeat"), ("a$+", "nothing to repeat"),
      ("^{2}", "nothing to repeat"), ("a**", "multiple repeat"), ("a*{2}", "multiple repeat"),
      ("a{2}*", "multiple repeat"), ("a{2}{3}", "multiple repeat"), ("a??*", "multiple repeat"),
      ("a{3,2}", "counts reversed"), ("[z-a]", "bad range in a set"),
      (#"[\d-z]"#, "bad range in a set"), (#"[a-\d]"#, "bad range in a set"),
      (#"a\"#, "ends in a backslash"), (#"[\"#, "ends in a backslash"),
      (String(repeating: "(", count: 65), "nests too deeply"),
    ])
  func malformed(_ key: String, _ reason: String) {
    let error = #expect(throws: PatternError.self) { try ModulePattern(key) }
    #expect(error == .malformed(pattern: key, reason: reason))
  }

  @Test("an error shows a key in part, what steers a terminal escaped")
  func shown() {
    let error = #expect(throws: PatternError.self) { try ModulePattern("\u{1b}[2J(") }
    #expect(error?.description == #"pattern '\u{1b}[2J(' is malformed: unbalanced '['"#)
    let long = #expect(throws: PatternError.self) {
      try ModulePattern("(" + String(repeating: "a", count: 100))
    }
    #expect(
      long?.description == "pattern '(\(String(repeating: "a", count: 59))…' is malformed: "
        + "unbalanced '('")
  }

  @Test("a literal key applies to its own name, alone and at the end of another")
  func literal() throws {
    var generator = SeededGenerator(seed: 5)
    let scalars = Array("ab.\\+*?()[]{}|^$-_é\u{301}".unicodeScalars)
    for _ in 0..<500 {
      var name = ""
      for _ in 0..<Int.random(in: 1...12, using: &generator) {
        name.unicodeScalars.append(scalars[Int.random(in: 0..<scalars.count, using: &generator)])
      }
      let pattern = try ModulePattern(ModulePattern.literal(TensorName(name)))
      #expect(pattern.matches(TensorName(name)), "\(name)")
      #expect(pattern.matches(TensorName("prefix.\(name)")), "\(name)")
      #expect(!pattern.matches(TensorName("\(name)x")), "\(name)")
    }
    #expect(ModulePattern.literal("a.b+c") == #"a.b\+c"#)
  }

  @Test(
    "a key of plain text is matched as the same key in a group", arguments: ["q", "a.b", "..", "é"])
  func forms(_ key: String) throws {
    var generator = SeededGenerator(seed: 6)
    let (plain, grouped) = (try ModulePattern(key), try ModulePattern("(\(key)){1}"))
    let scalars = Array("qab.é\n".unicodeScalars)
    for _ in 0..<2000 {
      var name = ""
      for _ in 0..<Int.random(in: 0...5, using: &generator) {
        name.unicodeScalars.append(scalars[Int.random(in: 0..<scalars.count, using: &generator)])
      }
      #expect(plain.matches(TensorName(name)) == grouped.matches(TensorName(name)), "\(name)")
    }
  }
}
