import ByteIO
import Testing

/// Objects by themselves, equality, and reading without a tree.
@Suite struct JSONObjectTests {
  @Test func aKeyThatIsTakenIsRefusedAndTheFirstStays() {
    var object = JSONObject()
    #expect(object.append("a", .integer(1)) == true)
    #expect(object.append("a", .integer(2)) == false)
    #expect(object["a"] == .integer(1))
    #expect(object.append("b", .integer(3)) == true)
    #expect(object["a"] == .integer(1))
    #expect(object["b"] == .integer(3))
    #expect(object["c"] == nil)
    #expect(object.members.map(\.key) == ["a", "b"])
  }

  @Test func equalityIsOfBytesTextAndOrder() throws {
    let parse = JSONAcceptTests.parse
    #expect(JSONValue.string("\u{e9}") != .string("e\u{301}"))
    #expect(try parse("{\"\u{e9}\":1}") != parse("{\"e\u{301}\":1}"))
    #expect(try parse(#"{"a":1,"b":2}"#) != parse(#"{"b":2,"a":1}"#))
    #expect(try parse(#"{"a":1}"#) != parse(#"{"a":1,"b":2}"#))
    #expect(try parse("1") != parse("1.0"))
    #expect(try parse(#""a""#) == parse(#""\u0061""#))
    #expect(try parse("null") != parse("false"))
    #expect(try parse("[1,[2]]") == parse(" [ 1 , [ 2 ] ] "))
  }

  @Test func tokensAreReadInOrder() throws {
    let text = #" { "a" : [ 1 , "x" ] , "b" : {} , "c" : [ ] , "d" : null } "#
    var reader = try JSONReader(Array(text.utf8))
    try reader.beginObject()
    #expect(try reader.nextKey() == "a")
    try reader.beginArray()
    #expect(try reader.nextElement() == true)
    #expect(try reader.readNumber().integer == 1)
    #expect(try reader.nextElement() == true)
    #expect(try reader.peek() == UInt8(ascii: "\""))
    #expect(try reader.readString() == "x")
    #expect(try reader.nextElement() == false)
    #expect(try reader.nextKey() == "b")
    try reader.beginObject()
    #expect(try reader.nextKey() == nil)
    #expect(try reader.nextKey() == "c")
    try reader.beginArray()
    #expect(try reader.nextElement() == false)
    #expect(try reader.nextKey() == "d")
    #expect(try reader.readValue() == .null)
    #expect(try reader.nextKey() == nil)
    try reader.finish()
  }

  /// The reader hands out every key as it stands; who reads without a tree finds duplicates.
  @Test func duplicateKeysAreTheCallersToFind() throws {
    var reader = try JSONReader(Array(#"{"a":1,"a":2}"#.utf8))
    try reader.beginObject()
    var keys: [String] = []
    while let key = try reader.nextKey() {
      keys.append(key)
      _ = try reader.readValue()
    }
    #expect(keys == ["a", "a"])
  }

  @Test func tokensOfAnotherKindAreNamed() throws {
    func reader(_ text: String) throws -> JSONReader { try JSONReader(Array(text.utf8)) }
    #expect(throws: JSONError(reason: .unexpected(expected: "'{'"), offset: 1)) {
      var reader = try reader(" []")
      try reader.beginObject()
    }
    #expect(throws: JSONError(reason: .unexpected(expected: "'['"), offset: 0)) {
      var reader = try reader("1")
      try reader.beginArray()
    }
    #expect(throws: JSONError(reason: .unexpected(expected: "a string"), offset: 0)) {
      var reader = try reader("1")
      _ = try reader.readString()
    }
    #expect(throws: JSONError(reason: .unexpected(expected: "a number"), offset: 0)) {
      var reader = try reader(#""1""#)
      _ = try reader.readNumber()
    }
    #expect(throws: JSONError(reason: .unexpectedEnd, offset: 1)) {
      var reader = try reader(" ")
      _ = try reader.readNumber()
    }
    #expect(throws: JSONError(reason: .trailingText, offset: 0)) {
      var reader = try reader("x")
      try reader.finish()
    }
  }

  @Test func messagesNameReasonAndPlace() {
    let messages: [(JSONError.Reason, String)] = [
      (.unexpectedEnd, "not valid JSON: the text ends too early (at byte 5)"),
      (.unexpected(expected: "a value"), "not valid JSON: expected a value at byte 5"),
      (.tooDeep(limit: 16), "JSON nests too deeply (expected at most 16 levels)"),
      (.notUTF8, "not valid UTF-8 (at byte 5)"),
      (.badString, "not valid JSON: bad character or escape in a string (at byte 5)"),
      (.badNumber, "not valid JSON: malformed number (at byte 5)"),
      (.duplicateKey("a\u{1b}"), #"duplicate key 'a\u{1b}' in JSON (at byte 5)"#),
      (.trailingText, "not valid JSON: text after the end (at byte 5)"),
      (.byteOrderMark, "expected UTF-8 without a byte-order mark"),
    ]
    for (reason, text) in messages {
      #expect(JSONError(reason: reason, offset: 5).description == text)
    }
  }
}
