import ByteIO
import TestSupport
import Testing

@Suite struct JSONWritingTests {
  /// As serde_json escapes: the short forms, `\u00xx` in lower case for other controls, and nothing
  /// that JSON does not require: no slash, no DEL, no character beyond ASCII.
  @Test func escapesAreThoseOfTheReference() {
    let short: [UInt32: String] = [
      0x08: #"\b"#, 0x09: #"\t"#, 0x0a: #"\n"#, 0x0c: #"\f"#, 0x0d: #"\r"#, 0x22: #"\""#,
      0x5c: #"\\"#,
    ]
    for value in UInt32(0)..<0x100 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let hex = String(value, radix: 16)
      let expected =
        short[value]
        ?? (value < 0x20 ? #"\u00"# + (hex.count == 1 ? "0" : "") + hex : String(scalar))
      #expect(JSONValue.string(String(scalar)).serialized() == "\"\(expected)\"")
    }
    for plain in ["/", "\u{7f}", "\u{e9}", "e\u{301}", "\u{2028}", "\u{feff}", "\u{1f600}"] {
      let text = JSONValue.string(plain).serialized()
      #expect(Array(text.utf8) == [0x22] + Array(plain.utf8) + [0x22])
    }
  }

  @Test func compactFormHasNoSpace() {
    let value = JSONValue.members([
      "a": .array([.integer(1), .double(0.5)]), "b": .members(["c": .null, "d": .bool(false)]),
      "left out": nil, "e": .array([]), "f": .members([:]),
      "g\n": .array([.string("x"), .bool(true)]),
    ])
    #expect(
      value.serialized()
        == #"{"a":[1,0.5],"b":{"c":null,"d":false},"e":[],"f":{},"g\n":["x",true]}"#)
  }

  @Test func indentedFormKeepsNumbersOnOneLine() {
    let value = JSONValue.members([
      "a": .array([.integer(1), .double(0.5)]), "b": .members(["c": .null]), "e": .array([]),
      "f": .members([:]), "g": .array([.string("x"), .array([.integer(2)])]),
    ])
    let expected = """
      {
        "a": [1, 0.5],
        "b": {
          "c": null
        },
        "e": [],
        "f": {},
        "g": [
          "x",
          [2]
        ]
      }
      """
    #expect(value.serialized(indented: true) == expected)
  }

  @Test(arguments: 0..<200)
  func randomTreesReadBackAsThemselves(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let tree = JSONWritingTests.tree(depth: 6, &generator)
    for indented in [false, true] {
      let text = tree.serialized(indented: indented)
      #expect(try JSONValue(parsing: Array(text.utf8)) == tree)
    }
  }

  /// A tree of up to `depth` levels, whose strings are full of what needs care.
  static func tree(depth: Int, _ generator: inout SeededGenerator) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 9 : 5), using: &generator) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &generator))
    case 2: return .integer(Int(truncatingIfNeeded: generator.next() as UInt64))
    case 3: return .double(Double.random(in: -1e6...1e6, using: &generator))
    case 4: return .string(string(&generator))
    case 5, 6:
      let count = Int.random(in: 0...4, using: &generator)
      return .array((0..<count).map { _ in tree(depth: depth - 1, &generator) })
    default:
      var object = JSONObject()
      for _ in 0..<Int.random(in: 0...4, using: &generator) {
        // A key that comes twice is left out the second time.
        _ = object.append(string(&generator), tree(depth: depth - 1, &generator))
      }
      return .object(object)
    }
  }

  private static func string(_ generator: inout SeededGenerator) -> String {
    let special: [Unicode.Scalar] = [
      "\"", "\\", "/", "\u{0}", "\u{8}", "\n", "\u{1b}", "\u{7f}", "\u{e9}", "e", "\u{301}",
      "\u{2028}",
      "\u{d7ff}", "\u{e000}", "\u{feff}", "\u{ffff}", "\u{1f600}", "\u{10ffff}",
    ]
    var string = ""
    for _ in 0..<Int.random(in: 0...8, using: &generator) {
      let any = Unicode.Scalar(UInt32.random(in: 0..<0x11_0000, using: &generator))
      let picked = Bool.random(using: &generator) ? special.randomElement(using: &generator) : any
      if let picked { string.unicodeScalars.append(picked) }
    }
    return string
  }
}
