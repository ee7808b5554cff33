import ByteIO
import Testing

/// Texts that are JSON and what they mean.
@Suite struct JSONAcceptTests {
  static func parse(_ text: String) throws -> JSONValue {
    try JSONValue(parsing: Array(text.utf8))
  }

  @Test(
    arguments: [
      ("null", .null), ("true", .bool(true)), ("false", .bool(false)), ("0", .integer(0)),
      ("-12", .integer(-12)), ("[]", .array([])), ("[ ]", .array([])), ("{}", .members([:])),
      ("{ }", .members([:])), (" \t\r\n7 \t\r\n", .integer(7)),
      ("[1,[2],[]]", .array([.integer(1), .array([.integer(2)]), .array([])])),
      ("[ null , true ]", .array([.null, .bool(true)])),
      (#"{"a":1,"":{"b":[]}}"#, .members(["a": .integer(1), "": .members(["b": .array([])])])),
      (#" { "a" : 1 , "b" : 2 } "#, .members(["a": .integer(1), "b": .integer(2)])),
      (#"{"b":1,"a":2}"#, .members(["b": .integer(1), "a": .integer(2)])),
    ] as [(String, JSONValue)])
  func valuesParse(text: String, value: JSONValue) throws {
    #expect(try JSONAcceptTests.parse(text) == value)
  }

  @Test(arguments: [
    (#""""#, ""), (#""abc""#, "abc"), (#""\u0061""#, "a"),
    (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
    (#""\u0000""#, "\u{0}"), (#""\u00e9\u00E9""#, "\u{e9}\u{e9}"),
    (#""\ud83d\ude00""#, "\u{1f600}"),
    (#""\uD800\uDC00\uDBFF\uDFFF""#, "\u{10000}\u{10ffff}"),
    (#""\ud7ff\ue000\uffff""#, "\u{d7ff}\u{e000}\u{ffff}"),
    ("\"\u{1f600}\u{7f}\u{80}\u{2028}\u{feff}\"", "\u{1f600}\u{7f}\u{80}\u{2028}\u{feff}"),
    ("\"e\u{301}\\n\u{e9}\"", "e\u{301}\n\u{e9}"), (#""// \\u0061""#, #"// \u0061"#),
  ])
  func stringsParse(text: String, string: String) throws {
    let found = try #require(try JSONAcceptTests.parse(text).string)
    #expect(Array(found.utf8) == Array(string.utf8))
  }

  @Test func composedAndDecomposedNamesAreTwoKeys() throws {
    let text = "{\"\u{e9}\":1,\"e\u{301}\":2,\"\\u00e8\":3,\"\\u0065\\u0300\":4}"
    let object = try #require(try JSONAcceptTests.parse(text).object)
    #expect(object.members.count == 4)
    #expect(object["\u{e9}"] == .integer(1))
    #expect(object["e\u{301}"] == .integer(2))
    #expect(object["\u{e8}"] == .integer(3))
    #expect(object["e\u{300}"] == .integer(4))
  }

  @Test func oneKeyMayStandInSeveralObjects() throws {
    let text = #"{"a":{"a":{"a":1}},"b":{"a":2}}"#
    #expect(try JSONAcceptTests.parse(text).object?["b"]?.object?["a"] == .integer(2))
  }

  @Test func sixteenLevelsAreFine() throws {
    let arrays = String(repeating: "[", count: 16) + String(repeating: "]", count: 16)
    let objects = String(repeating: #"{"a":"#, count: 15) + "{}" + String(repeating: "}", count: 15)
    for text in [arrays, objects] { #expect(try JSONAcceptTests.parse(text).serialized() == text) }
  }

  @Test func neighboursDoNotAddUpToDepth() throws {
    let text = "[" + Array(repeating: "[[[]],{}]", count: 100).joined(separator: ",") + "]"
    #expect(try JSONAcceptTests.parse(text).array?.count == 100)
  }

  @Test func depthCanBeSet() throws {
    #expect(try JSONValue(parsing: Array("[[]]".utf8), maximumDepth: 2).serialized() == "[[]]")
    #expect(throws: JSONError(reason: .tooDeep(limit: 1), offset: 2)) {
      try JSONValue(parsing: Array("[[]]".utf8), maximumDepth: 1)
    }
    #expect(try JSONValue(parsing: Array("1".utf8), maximumDepth: 0) == .integer(1))
  }

  @Test func accessorsAreNilForOtherKinds() throws {
    let kinds = try ["null", "true", "1", #""x""#, "[]", "{}"].map(JSONAcceptTests.parse)
    #expect(kinds.map(\.isNull) == [true, false, false, false, false, false])
    #expect(kinds.map { $0.bool != nil } == [false, true, false, false, false, false])
    #expect(kinds.map { $0.number != nil } == [false, false, true, false, false, false])
    #expect(kinds.map { $0.string != nil } == [false, false, false, true, false, false])
    #expect(kinds.map { $0.array != nil } == [false, false, false, false, true, false])
    #expect(kinds.map { $0.object != nil } == [false, false, false, false, false, true])
  }
}
