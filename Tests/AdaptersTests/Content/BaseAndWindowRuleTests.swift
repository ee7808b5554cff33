import ByteIO
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// Norm windows and what is known of base weights (Adapter §1.5, §1.6).
@Suite struct BaseAndWindowRuleTests {
  private func windows(_ text: String) throws -> NormWindows {
    try #require(try TestDescription.parse(TestDescription.text(block: "windows", text)))
      .blocks[0].windows
  }

  @Test(
    "windows that say nothing are none, whatever capacity they state",
    arguments: [
      "{}", "null", #"{"input": []}"#, #"{"input": null, "projection": []}"#, #"{"capacity": 7}"#,
      #"{"projection": [], "capacity": 1}"#,
    ])
  func noWindows(_ text: String) throws {
    #expect(try windows(text) == NormWindows())
    #expect(try windows(text).capacity == 100)
  }

  @Test("a capacity, and 100 where none is stated")
  func capacity() throws {
    #expect(try windows(#"{"input": [1]}"#).capacity == 100)
    #expect(try windows(#"{"input": [1], "capacity": null}"#).capacity == 100)
    #expect(try windows(#"{"input": [1], "capacity": 1}"#).capacity == 1)
    #expect(
      try windows(#"{"projection": [1], "capacity": 9223372036854775807}"#).capacity == .max)
  }

  @Test("windows longer than their capacity", arguments: ["input", "projection"])
  func tooLong(_ window: String) throws {
    func list(_ count: Int) -> String {
      "\"\(window)\": [\(Array(repeating: "1", count: count).joined(separator: ","))]"
    }
    func expectRefused(_ text: String, found: Int, capacity: Int) {
      TestDescription.expectRefused(
        TestDescription.text(block: "windows", text),
        .windowTooLong(window: window, found: found, capacity: capacity), owner: "block 'a'",
        rule: "Adapter §1.5")
    }
    #expect(try windows("{\(list(100))}").isEmpty == false)
    expectRefused("{\(list(101))}", found: 101, capacity: 100)
    #expect(try windows("{\(list(101)), \"capacity\": 101}").capacity == 101)
    expectRefused("{\(list(3)), \"capacity\": 2}", found: 3, capacity: 2)
  }

  @Test(
    "norms are finite and not negative",
    arguments: [
      ("-1", "-1.0"), ("-5e-324", "-5e-324"), ("1e400", "inf"), (#""1""#, #""1""#),
      ("null", "null"), ("[1]", "[1]"), ("true", "true"),
    ])
  func norms(_ text: String, _ found: String) {
    for window in ["input", "projection"] {
      TestDescription.expectRefused(
        TestDescription.text(block: "windows", "{\"\(window)\": [1, \(text)]}"),
        .badNorm(window: window, found: found), owner: "block 'a'", rule: "Adapter §1.5")
      TestDescription.expectRefused(
        TestDescription.text(block: "windows", "{\"\(window)\": {\"x\": 1}}"),
        .badNorm(window: window, found: #"{"x":1}"#), owner: "block 'a'", rule: "Adapter §1.5")
    }
  }

  static let baseRows: [(key: String, value: String?, reason: ContentError.Reason, rule: String)] =
    [
      ("tensor", nil, .missing(key: "tensor", expected: "the tensor's name"), "Adapter §2.2"),
      ("tensor", "1", .badValue(key: "tensor", found: "1", expected: "a string"), "Adapter §2.2"),
      ("dtype", nil, .missing(key: "dtype", expected: "a dtype"), "Adapter §2.2"),
      (
        "dtype", #""float32""#,
        .badValue(
          key: "dtype", found: #""float32""#,
          expected: DType.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")),
        "Adapter §2.2"
      ),
      ("shape", nil, .missing(key: "shape", expected: "an array of whole numbers"), "Adapter §2.2"),
      (
        "shape", "[3, 4.0]",
        .badValue(key: "shape", found: "[3,4.0]", expected: "an array of whole numbers"),
        "Adapter §2.2"
      ),
      (
        "shape", "12", .badValue(key: "shape", found: "12", expected: "an array of whole numbers"),
        "Adapter §2.2"
      ),
      (
        "shape", "[-3, 4]",
        .badValue(
          key: "shape", found: "[-3, 4]",
          expected: "the shape of a tensor: negative dimension (found -3, expected 0 or more)"),
        "Adapter §1.6"
      ),
      (
        "shape", "[4611686018427387904, 4]",
        .badValue(
          key: "shape", found: "[4611686018427387904, 4]",
          expected: "the shape of a tensor: size overflows 64 bits "
            + "(found shape [4611686018427387904, 4])"), "Adapter §1.6"
      ),
      ("sha256", nil, .missing(key: "sha256", expected: "64 hexadecimal digits"), "Adapter §2.2"),
      (
        "sha256", "\"\(TestDescription.hash.uppercased())\"",
        .badValue(
          key: "sha256", found: TestDescription.hash.uppercased(),
          expected: "64 lower-case hexadecimal digits"), "Adapter §1.6"
      ),
      (
        "sha256", "\"\(TestDescription.hash)0\"",
        .badValue(
          key: "sha256", found: TestDescription.hash + "0",
          expected: "64 lower-case hexadecimal digits"), "Adapter §1.6"
      ),
      (
        "statistics", "5", .badValue(key: "statistics", found: "5", expected: "an object"),
        "Adapter §2.2"
      ),
      (
        "statistics", #"{"cross": {}}"#,
        .missing(key: "squared_norm", expected: "a number from 0 on"), "Adapter §2.2"
      ),
      (
        "statistics", #"{"squared_norm": 1}"#,
        .missing(key: "cross", expected: "an object of numbers"), "Adapter §2.2"
      ),
      (
        "statistics", #"{"squared_norm": 1, "cross": [1]}"#,
        .missing(key: "cross", expected: "an object of numbers"), "Adapter §2.2"
      ),
      (
        "statistics", #"{"squared_norm": 1e309, "cross": {}}"#,
        .badValue(key: "squared_norm", found: "inf", expected: "a finite number"), "Adapter §2.2"
      ),
      (
        "statistics", #"{"squared_norm": -0.5, "cross": {}}"#,
        .badValue(key: "squared_norm", found: "-0.5", expected: "a number from 0 on"),
        "Adapter §1.6"
      ),
      (
        "statistics", #"{"squared_norm": 1, "cross": {"a": "1"}}"#,
        .badValue(key: "a", found: #""1""#, expected: "a finite number"), "Adapter §2.2"
      ),
      (
        "statistics", #"{"squared_norm": 1, "cross": {"a": null}}"#,
        .missing(key: "a", expected: "a number"), "Adapter §2.2"
      ),
      (
        "statistics", #"{"squared_norm": 1, "cross": {"a": 1, "z": 1}}"#, .strangeCross("z"),
        "Adapter §1.6"
      ),
    ]

  @Test("a base weight", arguments: baseRows.indices)
  func base(_ number: Int) {
    let row = Self.baseRows[number]
    TestDescription.expectRefused(
      TestDescription.text(block: "base", TestDescription.base([row.key: row.value])), row.reason,
      owner: "block 'a'", rule: row.rule)
  }

  @Test("a base weight of any dtype and shape", arguments: ["[]", "[0]", "[1, 2, 3]", "[8]"])
  func shapes(_ shape: String) throws {
    for dtype in DType.allCases where !(dtype.bitWidth < 8 && shape != "[8]") {
      let base = TestDescription.base(["shape": shape, "dtype": "\"\(dtype.rawValue)\""])
      let content = try TestDescription.parse(TestDescription.text(block: "base", base))
      let tensor = try #require(content?.blocks[0].base?.tensor)
      #expect(tensor.dtype == dtype)
      #expect("\(tensor.shape)" == shape)
    }
  }

  /// A tree: r before p and q, p before n.
  private func tree(statisticsOf owner: String, _ cross: String) -> String {
    let blocks = [("r", "null"), ("p", #""r""#), ("q", #""r""#), ("n", #""p""#)].map {
      let base =
        $0.0 == owner
        ? TestDescription.base(["statistics": #"{"squared_norm": 1, "cross": \#(cross)}"#]) : nil
      return TestDescription.block($0.0, ["previous": $0.1, "base": base])
    }
    return TestDescription.text(["blocks": "[\(blocks.joined(separator: ","))]"])
  }

  @Test(
    "statistics name the block itself and its predecessors, near or far",
    arguments: [
      ("n", #"{"n": 1, "p": 2, "r": 3}"#, nil), ("r", #"{"r": 1}"#, nil), ("q", #"{"r": 1}"#, nil),
      ("n", "{}", nil), ("n", #"{"q": 1}"#, "q"), ("p", #"{"n": 1}"#, "n"),
      ("r", #"{"p": 1}"#, "p"),
      ("q", #"{"p": 1}"#, "p"),
    ] as [(String, String, TensorName?)])
  func cross(_ owner: String, _ cross: String, _ strange: TensorName?) throws {
    let text = tree(statisticsOf: owner, cross)
    if let strange {
      TestDescription.expectRefused(
        text, .strangeCross(strange), owner: "block '\(owner)'", rule: "Adapter §1.6")
    } else {
      #expect(try TestDescription.parse(text)?.blocks.count == 4)
    }
  }

  @Test("statistics along a chain of a hundred thousand blocks take no time")
  func longChain() throws {
    let count = 100_000
    var blocks = [TestDescription.block("0")]
    for index in 1..<count {
      blocks.append(TestDescription.block("\(index)", ["previous": "\"\(index - 1)\""]))
    }
    blocks[count - 1] = TestDescription.block(
      "\(count - 1)",
      [
        "previous": "\"\(count - 2)\"",
        "base": TestDescription.base(["statistics": #"{"squared_norm": 1, "cross": {"0": 1}}"#]),
      ])
    let text = TestDescription.text(["blocks": "[\(blocks.joined(separator: ","))]"])
    #expect(try TestDescription.parse(text)?.blocks.count == count)
  }

  @Test("statistics in a cycle are of the block itself alone, and no reader runs round")
  func cycle() {
    let blocks = [("a", "b"), ("b", "a")].map {
      TestDescription.block(
        $0.0,
        [
          "previous": "\"\($0.1)\"",
          "base": TestDescription.base(["statistics": #"{"squared_norm": 1, "cross": {"b": 1}}"#]),
        ])
    }
    TestDescription.expectRefused(
      TestDescription.text(["blocks": "[\(blocks.joined(separator: ","))]"]), .strangeCross("b"),
      owner: "block 'a'", rule: "Adapter §1.6")
  }
}
