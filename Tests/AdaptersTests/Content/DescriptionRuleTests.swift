import ByteIO
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// Every rule for a description as a whole and for a block (Adapter §1, §2.1, §2.2), one broken at a
/// time, where the first one is thrown.
@Suite struct DescriptionRuleTests {
  @Test("what is stated and what has a default")
  func everything() throws {
    let content = try #require(
      try TestDescription.parse(
        TestDescription.text([
          "root": #""none""#, "pre_num": "3", "base_model": #""org/model""#,
          "metadata": #"{"b": "2", "a": ""}"#,
          "blocks": "["
            + TestDescription.block(
              "a",
              [
                "scaling": "-0.5", "previous": "null", "pairs": "2",
                "windows": #"{"input": [1, 2.5], "projection": [0], "capacity": 2}"#,
                "base": TestDescription.base([
                  "statistics": #"{"squared_norm": 0, "cross": {"a": -1e3}}"#
                ]),
              ]) + "]",
        ])))
    #expect(content.structure == .inputShortcut)
    #expect(content.root == .nothing)
    #expect(content.reach == PredecessorCount(3))
    #expect(content.baseModel == "org/model")
    #expect(content.metadata.map(\.key) == ["b", "a"])
    #expect(content.metadata.map(\.value) == ["2", ""])
    let block = content.blocks[0]
    #expect(content.blocks.count == 1)
    #expect(block.name == "a")
    #expect(block.scaling == -0.5)
    #expect(block.previous == nil)
    #expect(block.pairs == 2)
    #expect(
      block.windows
        == NormWindows(input: NormWindow([1, 2.5]), projection: NormWindow([0]), capacity: 2))
    #expect(
      block.base
        == BaseWeight(
          tensor: try TensorInfo(name: "a.weight", dtype: .bf16, shape: [3, 4]),
          sha256: TestDescription.hash,
          statistics: BaseWeight.Statistics(squaredNorm: 0, cross: ["a": -1000])))
    let short = try #require(try TestDescription.parse(TestDescription.text()))
    #expect(short.root == .ownInput)
    #expect(short.reach == .all)
    #expect(short.baseModel == nil)
    #expect(short.metadata.isEmpty)
    #expect(short.blocks.map(\.previous) == [nil, "a"])
    #expect(short.blocks.map(\.pairs) == [1, 1])
    #expect(short.blocks.allSatisfy { $0.windows == NormWindows() && $0.base == nil })
  }

  @Test(
    "null is as good as absent where a key may be absent",
    arguments: ["root", "pre_num", "base_model", "metadata"])
  func null(_ key: String) throws {
    let content = try #require(try TestDescription.parse(TestDescription.text([key: "null"])))
    #expect(content.root == .ownInput && content.reach == .all)
    #expect(content.baseModel == nil && content.metadata.isEmpty)
  }

  @Test("an empty name of the base model says nothing, 60,000 bytes of it are allowed")
  func baseModel() throws {
    func baseModel(_ text: String) throws -> String? {
      try TestDescription.parse(TestDescription.text(["base_model": "\"\(text)\""]))?.baseModel
    }
    let long = String(repeating: "x", count: 60_000)
    #expect(try baseModel("") == nil)
    #expect(try baseModel(long) == long)
  }

  static let topRows: [(key: String, value: String?, reason: ContentError.Reason)] = [
    ("format", nil, .missing(key: "format", expected: #""reslora-adapter""#)),
    ("format", "null", .missing(key: "format", expected: #""reslora-adapter""#)),
    ("format", "1", .badValue(key: "format", found: "1", expected: "a string")),
    (
      "format", #""reslora-activations""#,
      .badValue(
        key: "format", found: #""reslora-activations""#, expected: #""reslora-adapter""#)
    ),
    ("version", nil, .missing(key: "version", expected: "1")),
    (
      "version", "1.0",
      .badValue(key: "version", found: "1.0", expected: "a whole number from 0 on")
    ),
    (
      "version", #""1""#,
      .badValue(key: "version", found: #""1""#, expected: "a whole number from 0 on")
    ),
    (
      "version", "-1", .badValue(key: "version", found: "-1", expected: "a whole number from 0 on")
    ),
    (
      "structure", nil,
      .missing(key: "structure", expected: #""plain", "is", "bs" or "ms""#)
    ),
    (
      "structure", #""IS""#,
      .badValue(key: "structure", found: #""IS""#, expected: #""plain", "is", "bs", "ms""#)
    ),
    ("structure", "1", .badValue(key: "structure", found: "1", expected: "a string")),
    ("root", #""own""#, .badValue(key: "root", found: #""own""#, expected: #""self", "none""#)),
    ("root", "[]", .badValue(key: "root", found: "[]", expected: "a string")),
    (
      "pre_num", "-2", .badValue(key: "pre_num", found: "-2", expected: "a whole number from -1 on")
    ),
    (
      "pre_num", "1e2",
      .badValue(key: "pre_num", found: "100.0", expected: "a whole number from -1 on")
    ),
    (
      "pre_num", "9223372036854775808",
      .badValue(
        key: "pre_num", found: "9.223372036854776e+18", expected: "a whole number from -1 on")
    ),
    ("base_model", "7", .badValue(key: "base_model", found: "7", expected: "a string")),
    (
      "base_model", #""a\u0000b""#,
      .badValue(
        key: "base_model", found: "a\0b", expected: "at most 60000 bytes without U+0000")
    ),
    (
      "base_model", "\"\(String(repeating: "x", count: 60_001))\"",
      .badValue(
        key: "base_model", found: String(repeating: "x", count: 100),
        expected: "at most 60000 bytes without U+0000")
    ),
    (
      "metadata", #"{"a": 1}"#,
      .badValue(key: "metadata", found: #"{"a":1}"#, expected: "an object of strings")
    ),
    (
      "metadata", #"["a"]"#,
      .badValue(key: "metadata", found: #"["a"]"#, expected: "an object of strings")
    ),
    ("blocks", nil, .missing(key: "blocks", expected: "an array of at least one block")),
    ("blocks", "[]", .missing(key: "blocks", expected: "an array of at least one block")),
    ("blocks", "{}", .missing(key: "blocks", expected: "an array of at least one block")),
    (
      "blocks", #"["a"]"#,
      .badValue(key: "blocks", found: #""a""#, expected: "an array of objects")
    ),
  ]

  @Test("the description as a whole (§2.1)", arguments: topRows.indices)
  func description(_ number: Int) {
    let row = Self.topRows[number]
    TestDescription.expectRefused(
      TestDescription.text([row.key: row.value]), row.reason, rule: "Adapter §2.1")
  }

  @Test("another version says which is known", arguments: [0, 2, Int.max])
  func version(_ version: Int) throws {
    let text = TestDescription.text(["version": "\(version)"])
    TestDescription.expectRefused(
      text, .unknownVersion(found: version, known: 1), rule: "Versions §2")
    let error = #expect(throws: ContentError.self) { try TestDescription.parse(text) }
    #expect(
      error?.description == "x.reslora: version of another time (found \(version), expected 1); "
        + "a newer release may read it [Versions §2]")
  }

  @Test(
    "texts that are no strict JSON (§2.1)",
    arguments: [
      ("", ContentError.Reason.json(JSONError(reason: .unexpectedEnd, offset: 0))),
      ("\u{feff}{}", .json(JSONError(reason: .byteOrderMark, offset: 0))),
      ("7", .notAnObject), ("[]", .notAnObject), ("null", .notAnObject),
      (
        #"{"version": 1, "version": 1}"#,
        .json(JSONError(reason: .duplicateKey("version"), offset: 27))
      ),
      (
        #"{"x": "# + String(repeating: "[", count: 16),
        .json(JSONError(reason: .tooDeep(limit: 16), offset: 22))
      ),
      (#"{"a": 1,}"#, .json(JSONError(reason: .unexpected(expected: "a string"), offset: 8))),
      ("{} {}", .json(JSONError(reason: .trailingText, offset: 3))),
    ])
  func json(_ text: String, _ reason: ContentError.Reason) {
    TestDescription.expectRefused(text, reason, rule: "Adapter §2.1")
  }

  @Test("bytes that are no UTF-8 (§2.1)")
  func utf8() throws {
    let text = Array(#"{"format": ""#.utf8) + [0xff] + Array(#""}"#.utf8)
    let error = #expect(throws: ContentError.self) {
      try AdapterContent(parsing: text, path: "x", check: .throwing)
    }
    #expect(error?.reason == .json(JSONError(reason: .notUTF8, offset: 12)))
  }

  static let blockRows: [(key: String, value: String?, reason: ContentError.Reason)] = [
    ("scaling", nil, .missing(key: "scaling", expected: "a number")),
    ("scaling", #""2""#, .badValue(key: "scaling", found: #""2""#, expected: "a finite number")),
    ("scaling", "1e999", .badValue(key: "scaling", found: "inf", expected: "a finite number")),
    ("scaling", "-1e999", .badValue(key: "scaling", found: "-inf", expected: "a finite number")),
    ("scaling", "[2]", .badValue(key: "scaling", found: "[2]", expected: "a finite number")),
    ("previous", "0", .badValue(key: "previous", found: "0", expected: "a string")),
    ("previous", "false", .badValue(key: "previous", found: "false", expected: "a string")),
    (
      "pairs", "0", .badValue(key: "pairs", found: "0", expected: "a whole number from 1 to 65536")
    ),
    (
      "pairs", "65537",
      .badValue(key: "pairs", found: "65537", expected: "a whole number from 1 to 65536")
    ),
    (
      "pairs", "1.0",
      .badValue(key: "pairs", found: "1.0", expected: "a whole number from 1 to 65536")
    ),
    ("windows", "[1]", .badValue(key: "windows", found: "[1]", expected: "an object")),
    (
      "windows", #"{"capacity": 0}"#,
      .badValue(key: "capacity", found: "0", expected: "a whole number from 1 on")
    ),
    ("base", #""w""#, .badValue(key: "base", found: #""w""#, expected: "an object")),
  ]

  @Test("a block (§2.2)", arguments: blockRows.indices)
  func block(_ number: Int) {
    let row = Self.blockRows[number]
    TestDescription.expectRefused(
      TestDescription.text(block: row.key, row.value), row.reason, owner: "block 'a'",
      rule: "Adapter §2.2")
  }

  @Test(
    "a block without a name is told by its position (§2.2)",
    arguments: [
      (nil, ContentError.Reason.missing(key: "name", expected: "a module's name")),
      ("1", .badValue(key: "name", found: "1", expected: "a string")),
    ])
  func nameless(_ name: String?, _ reason: ContentError.Reason) {
    let blocks = "[\(TestDescription.block()), \(TestDescription.block("b", ["name": name]))]"
    TestDescription.expectRefused(
      TestDescription.text(["blocks": blocks]), reason, owner: "block 1", rule: "Adapter §2.2")
  }

  @Test(
    "names of 1 to 4096 bytes without U+0000 (§1.2)",
    arguments: [
      ("x", true), ("", false), (String(repeating: "x", count: 4096), true),
      (String(repeating: "x", count: 4097), false), (String(repeating: "é", count: 2048), true),
      (String(repeating: "é", count: 2048) + "x", false), (#"a\u0000"#, false), (" ", true),
      ("a/b%\u{1f600}", true), (#"a\n"#, true),
    ])
  func names(_ name: String, _ isName: Bool) throws {
    let text = TestDescription.text(["blocks": "[\(TestDescription.block(name))]"])
    let parsed = name.hasPrefix("a\\u") ? "a\0" : name
    guard !isName else {
      #expect(try TestDescription.parse(text)?.blocks.count == 1)
      return
    }
    TestDescription.expectRefused(
      text, .badName(parsed), owner: "block '\(parsed.escapedForTerminal)'", rule: "Adapter §1.2")
    // The name of a base weight's tensor is one, too.
    let base = TestDescription.base(["tensor": "\"\(name)\""])
    TestDescription.expectRefused(
      TestDescription.text(block: "base", base), .badName(parsed), owner: "block 'a'",
      rule: "Adapter §1.2")
  }

  @Test("two blocks of one name (§1.2), compared by their bytes")
  func duplicates() throws {
    func blocks(_ other: String) -> String {
      TestDescription.text([
        "blocks": "[\(TestDescription.block("\u{e9}")), \(TestDescription.block(other))]"
      ])
    }
    TestDescription.expectRefused(
      blocks("\u{e9}"), .duplicateBlock, owner: "block '\u{e9}'", rule: "Adapter §1.2")
    let apart = try #require(try TestDescription.parse(blocks("e\u{301}")))
    #expect(apart.blocks.map { $0.name.string.utf8.count } == [2, 3])
  }

  @Test("a predecessor that is no block (§1.4), compared by its bytes")
  func unknownPredecessor() {
    TestDescription.expectRefused(
      TestDescription.text(block: "previous", #""c""#), .unknownPredecessor("c"),
      owner: "block 'a'", rule: "Adapter §1.4")
    let blocks =
      TestDescription.block("\u{e9}") + ","
      + TestDescription.block("b", ["previous": "\"e\u{301}\""])
    TestDescription.expectRefused(
      TestDescription.text(["blocks": "[\(blocks)]"]), .unknownPredecessor("e\u{301}"),
      owner: "block 'b'", rule: "Adapter §1.4")
  }

  @Test(
    "metadata (§1.7)",
    arguments: [
      (#"{"": "x"}"#, ContentError.Reason.badMetadata(key: "")),
      (#"{"a\u0000": "x"}"#, .badMetadata(key: "a\0")),
      (#"{"a": "x\u0000"}"#, .badMetadata(key: "a")),
    ])
  func metadata(_ metadata: String, _ reason: ContentError.Reason) {
    TestDescription.expectRefused(
      TestDescription.text(["metadata": metadata]), reason, rule: "Adapter §1.7")
  }

  @Test("metadata of 16 MiB and no more (§1.7)")
  func metadataSize() throws {
    func text(_ count: Int) -> String {
      TestDescription.text([
        "metadata": #"{"key": "\#(String(repeating: "x", count: count))", "é": ""}"#
      ])
    }
    let limit = 16 << 20
    #expect(try TestDescription.parse(text(limit - 5))?.metadata.count == 2)
    TestDescription.expectRefused(
      text(limit - 4), .tooMuchMetadata(found: limit + 1), rule: "Adapter §1.7")
  }
}
