import ByteIO
import Testing

/// Texts that are not strict JSON, each with its exact reason and place.
@Suite struct JSONRefuseTests {
  struct Refusal: Sendable, CustomTestStringConvertible {
    let text: [UInt8]
    let error: JSONError

    init(_ text: String, _ reason: JSONError.Reason, at offset: Int) {
      self.init(Array(text.utf8), reason, at: offset)
    }

    init(_ text: [UInt8], _ reason: JSONError.Reason, at offset: Int) {
      self.text = text
      error = JSONError(reason: reason, offset: offset)
    }

    var testDescription: String {
      String(decoding: text.prefix(40), as: UTF8.self).debugDescription
    }
  }

  static func expectRefused(_ refusal: Refusal) {
    #expect(throws: refusal.error) { try JSONValue(parsing: refusal.text) }
  }

  @Test(arguments: [
    Refusal("", .unexpectedEnd, at: 0), Refusal(" \n ", .unexpectedEnd, at: 3),
    Refusal("[", .unexpectedEnd, at: 1), Refusal("[1", .unexpectedEnd, at: 2),
    Refusal("[1,", .unexpectedEnd, at: 3), Refusal("{", .unexpectedEnd, at: 1),
    Refusal(#"{"a""#, .unexpectedEnd, at: 4), Refusal(#"{"a":"#, .unexpectedEnd, at: 5),
    Refusal(#"{"a":1"#, .unexpectedEnd, at: 6), Refusal(#"{"a":1,"#, .unexpectedEnd, at: 7),
    Refusal(#""abc"#, .unexpectedEnd, at: 4), Refusal(#""\"#, .unexpectedEnd, at: 2),
    Refusal(#""\n"#, .unexpectedEnd, at: 3), Refusal(#""\u12"#, .unexpectedEnd, at: 3),
    Refusal(#""\ud83d\u"#, .unexpectedEnd, at: 9),
  ])
  func textsThatEndTooEarly(refusal: Refusal) { JSONRefuseTests.expectRefused(refusal) }

  @Test(arguments: [
    // Trailing and missing commas, wrong brackets.
    Refusal("[1,]", .unexpected(expected: "a value"), at: 3),
    Refusal("[,1]", .unexpected(expected: "a value"), at: 1),
    Refusal("[1,,2]", .unexpected(expected: "a value"), at: 3),
    Refusal(#"{"a":1,}"#, .unexpected(expected: "a string"), at: 7),
    Refusal(#"{,"a":1}"#, .unexpected(expected: "a string"), at: 1),
    Refusal("[1 2]", .unexpected(expected: "',' or ']'"), at: 3),
    Refusal("[1}", .unexpected(expected: "',' or ']'"), at: 2),
    Refusal("[}", .unexpected(expected: "a value"), at: 1),
    Refusal(#"{"a":1 "b":2}"#, .unexpected(expected: "',' or '}'"), at: 7),
    Refusal(#"{"a":1]"#, .unexpected(expected: "',' or '}'"), at: 6),
    Refusal(#"{"a" 1}"#, .unexpected(expected: "':'"), at: 5),
    Refusal(#"{"a":}"#, .unexpected(expected: "a value"), at: 5),
    Refusal("]", .unexpected(expected: "a value"), at: 0),
    // Keys that are no strings, other quotes.
    Refusal("{1:2}", .unexpected(expected: "a string"), at: 1),
    Refusal("{a:1}", .unexpected(expected: "a string"), at: 1),
    Refusal("{'a':1}", .unexpected(expected: "a string"), at: 1),
    Refusal("{null:1}", .unexpected(expected: "a string"), at: 1),
    Refusal("'a'", .unexpected(expected: "a value"), at: 0),
    // Words JSON does not know.
    Refusal("NaN", .unexpected(expected: "a value"), at: 0),
    Refusal("Infinity", .unexpected(expected: "a value"), at: 0),
    Refusal("nan", .unexpected(expected: "a value"), at: 0),
    Refusal("True", .unexpected(expected: "a value"), at: 0),
    Refusal("tru", .unexpected(expected: "a value"), at: 0),
    Refusal("undefined", .unexpected(expected: "a value"), at: 0),
    // Comments, and white space of other alphabets.
    Refusal("// c\n1", .unexpected(expected: "a value"), at: 0),
    Refusal("[1 /* c */]", .unexpected(expected: "',' or ']'"), at: 3),
    Refusal("# c\n1", .unexpected(expected: "a value"), at: 0),
    Refusal("\u{0b}1", .unexpected(expected: "a value"), at: 0),
    Refusal("\u{0c}1", .unexpected(expected: "a value"), at: 0),
    Refusal("\u{a0}1", .unexpected(expected: "a value"), at: 0),
    Refusal("[1\u{2028}]", .unexpected(expected: "',' or ']'"), at: 2),
    Refusal([0xc3, 0x28], .unexpected(expected: "a value"), at: 0),
  ])
  func tokensOutOfPlace(refusal: Refusal) { JSONRefuseTests.expectRefused(refusal) }

  @Test(arguments: [
    Refusal("01", .badNumber, at: 0), Refusal("-01", .badNumber, at: 1),
    Refusal("00", .badNumber, at: 0), Refusal("[1, 007]", .badNumber, at: 4),
    Refusal("1.", .badNumber, at: 2), Refusal("1.e5", .badNumber, at: 2),
    Refusal("1e", .badNumber, at: 2), Refusal("1e+", .badNumber, at: 3),
    Refusal("1e+-5", .badNumber, at: 3), Refusal("-", .badNumber, at: 1),
    Refusal("--1", .badNumber, at: 1), Refusal("- 1", .badNumber, at: 1),
    Refusal("-Infinity", .badNumber, at: 1), Refusal("-.5", .badNumber, at: 1),
    Refusal("+1", .unexpected(expected: "a value"), at: 0),
    Refusal(".5", .unexpected(expected: "a value"), at: 0),
    Refusal("\u{ff11}", .unexpected(expected: "a value"), at: 0),
    Refusal("0x10", .trailingText, at: 1), Refusal("1_000", .trailingText, at: 1),
    Refusal("1.5.5", .trailingText, at: 3), Refusal("1e5.5", .trailingText, at: 3),
    Refusal("1f", .trailingText, at: 1),
  ])
  func malformedNumbers(refusal: Refusal) { JSONRefuseTests.expectRefused(refusal) }

  @Test(arguments: [
    Refusal("1 1", .trailingText, at: 2), Refusal("{} []", .trailingText, at: 3),
    Refusal("{}}", .trailingText, at: 2), Refusal("1,2", .trailingText, at: 1),
    Refusal("nulll", .trailingText, at: 4), Refusal("1 // c", .trailingText, at: 2),
    Refusal("null\u{0}", .trailingText, at: 4), Refusal("{}\u{feff}", .trailingText, at: 2),
  ])
  func textAfterTheEnd(refusal: Refusal) { JSONRefuseTests.expectRefused(refusal) }

  @Test(arguments: [
    Refusal(#"{"a":1,"a":2}"#, .duplicateKey("a"), at: 12),
    Refusal(#"{"a":1,"a":1}"#, .duplicateKey("a"), at: 12),
    Refusal(#"{"a":1,"\u0061":2}"#, .duplicateKey("a"), at: 17),
    Refusal(#"{"\u0061":1,"b":0,"a":2}"#, .duplicateKey("a"), at: 23),
    Refusal("{\"\u{e9}\":1,\"\\u00e9\":2}", .duplicateKey("\u{e9}"), at: 18),
    Refusal(#"{"\ud83d\ude00":1,"\uD83D\uDE00":2}"#, .duplicateKey("\u{1f600}"), at: 34),
    Refusal(#"{"":1,"":2}"#, .duplicateKey(""), at: 10),
    Refusal(#"[{"x":{"a":1,"b":2,"a":3}}]"#, .duplicateKey("a"), at: 24),
  ])
  func keysThatStandTwice(refusal: Refusal) { JSONRefuseTests.expectRefused(refusal) }

  @Test(arguments: [
    ("[", 17), (#"{"a":"#, 81), (#"[{"a":"#, 49),
  ])
  func seventeenLevelsAndAHundredThousandAreTooDeep(unit: String, offset: Int) {
    for count in [17, 100_000] {
      let text = Array(String(repeating: unit, count: count).utf8)
      #expect(throws: JSONError(reason: .tooDeep(limit: 16), offset: offset)) {
        try JSONValue(parsing: text)
      }
    }
  }
}
