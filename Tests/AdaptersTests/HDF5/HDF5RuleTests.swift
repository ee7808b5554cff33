import HDF5
import LoRATestSupport
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// Every rule of an adapter in HDF5 (Adapter in HDF5 §1, §2), one broken at a time.
@Suite struct HDF5RuleTests {
  typealias Changes = TestHDF5Adapter.Changes

  private let test = TestHDF5Adapter()

  struct Row {
    let changes: Changes
    let reason: ContentError.Reason
    let owner: String?
    let rule: String

    init(
      _ changes: Changes, _ reason: ContentError.Reason, _ owner: String? = nil,
      rule: String
    ) {
      self.changes = changes
      self.reason = reason
      self.owner = owner
      self.rule = rule
    }
  }

  private func expectRefused(_ row: Row) throws {
    let path = try test.write(row.changes)
    let error = #expect(throws: ContentError.self) { try Adapter(path: path) }
    #expect(
      error
        == ContentError(path: path, owner: row.owner, rule: row.rule, reason: row.reason))
  }

  private static func bad(
    _ key: String, _ found: String, _ expected: String
  ) -> ContentError.Reason {
    .badValue(key: key, found: found, expected: expected)
  }

  private static let rootCases: [(Changes, ContentError.Reason)] = [
    (["/@version": nil], .missing(key: "version", expected: "1")),
    (
      ["/@version": .attribute(.string("1"))], bad("version", #""1""#, "a whole number from 0 on")
    ),
    (["/@version": .attribute(.double(1))], bad("version", "1.0", "a whole number from 0 on")),
    (["/@version": .attribute(.integer(-1))], bad("version", "-1", "a whole number from 0 on")),
    (["/@structure": nil], .missing(key: "structure", expected: #""plain", "is", "bs" or "ms""#)),
    (
      ["/@structure": .attribute(.string("IS"))],
      bad("structure", #""IS""#, #""plain", "is", "bs", "ms""#)
    ),
    (["/@structure": .attribute(.integer(0))], bad("structure", "0", "a string")),
    (["/@root": .attribute(.string("own"))], bad("root", #""own""#, #""self", "none""#)),
    (
      ["/@root": .attribute(.doubles([1]))],
      bad("root", "an array of floating-point numbers", "a string")
    ),
    (["/@pre_num": .attribute(.integer(-2))], bad("pre_num", "-2", "a whole number from -1 on")),
    (
      ["/@pre_num": .attribute(.integers([1]))],
      bad("pre_num", "[1]", "a whole number from -1 on")
    ),
    (["/@base_model": .attribute(.integer(1))], bad("base_model", "1", "a string")),
    (
      ["/@base_model": .attribute(.string("a\0b"))],
      bad("base_model", "a\0b", "at most 60000 bytes without U+0000")
    ),
  ]
  static let rootRows = rootCases.map { Row($0.0, $0.1, rule: "Adapter in HDF5 §2.1") }

  @Test("the root (§2.1)", arguments: rootRows.indices)
  func root(_ number: Int) throws { try expectRefused(Self.rootRows[number]) }

  @Test("another version says which is known (Versions §2)", arguments: [0, 2, Int.max])
  func version(_ version: Int) throws {
    try expectRefused(
      Row(
        ["/@version": .attribute(.integer(version))],
        .unknownVersion(found: version, known: 1), rule: "Versions §2"))
  }

  private static let blockCases: [(Changes, ContentError.Reason)] = [
    (["/blocks/a@index": nil], .missing(key: "index", expected: "the block's position")),
    (
      ["/blocks/a@index": .attribute(.integer(-1))],
      bad("index", "-1", "a whole number from 0 on")
    ),
    (
      ["/blocks/a@index": .attribute(.double(1))], bad("index", "1.0", "a whole number from 0 on")
    ),
    (
      ["/blocks/a@index": .attribute(.string("1"))],
      bad("index", #""1""#, "a whole number from 0 on")
    ),
    (["/blocks/a@scaling": nil], .missing(key: "scaling", expected: "a number")),
    (["/blocks/a@scaling": .attribute(.string("2"))], bad("scaling", #""2""#, "a finite number")),
    (["/blocks/a@scaling": .attribute(.double(.nan))], bad("scaling", "nan", "a finite number")),
    (
      ["/blocks/a@scaling": .attribute(.double(-.infinity))],
      bad("scaling", "-inf", "a finite number")
    ),
    (["/blocks/a@previous": .attribute(.integer(0))], bad("previous", "0", "a string")),
    (["/blocks/a/lora_A.0": nil], .missing(key: "lora_A.0", expected: "a dataset")),
    (["/blocks/a/lora_B.1": nil], .missing(key: "lora_B.1", expected: "a dataset")),
    (
      ["/blocks/a/lora_A.0": nil, "/blocks/a/lora_B.0": nil],
      .missing(key: "lora_A", expected: "a dataset")
    ),
    (
      ["/blocks/a/lora_A.1": nil, "/blocks/a/lora_B.1": nil],
      // One pair has no number.
      .missing(key: "lora_A", expected: "a dataset")
    ),
    (
      ["/blocks/a/lora_A.3": .tensor(.dataset([1, 4]))],
      .misplaced("lora_A.3", expected: "pairs numbered without a gap")
    ),
    (
      ["/blocks/a/lora_B.02": .tensor(.dataset([5, 1]))],
      .misplaced("lora_B.02", expected: "pairs numbered without a gap")
    ),
    (
      ["/blocks/a/lora_B": .tensor(.dataset([5, 1]))],
      .misplaced("lora_B", expected: "pairs numbered without a gap")
    ),
  ]
  static let blockRows = blockCases.map {
    Row($0.0, $0.1, "block 'a'", rule: "Adapter in HDF5 §2.3")
  }

  @Test("a block (§2.3)", arguments: blockRows.indices)
  func block(_ number: Int) throws { try expectRefused(Self.blockRows[number]) }

  @Test("one pair is not numbered (§2.3)")
  func onePair() throws {
    let links = ["lora_A.0", "lora_A.1", "lora_B.0"]
    for link in links {
      try expectRefused(
        Row(
          ["/blocks/z/\(link)": .tensor(.dataset([2, 4]))],
          .misplaced(link, expected: "lora_A and lora_B"), "block 'z'",
          rule: "Adapter in HDF5 §2.3"))
    }
    try expectRefused(
      Row(
        ["/blocks/z/lora_B": nil], .missing(key: "lora_B", expected: "a dataset"), "block 'z'",
        rule: "Adapter in HDF5 §2.3"))
  }

  @Test(
    "positions of blocks are 0 to n − 1 (§2.3)",
    arguments: [(0, 0), (1, 1), (0, 2), (1, 2), (5, Int.max)])
  func positions(_ z: Int, _ a: Int) throws {
    try expectRefused(
      Row(
        [
          "/blocks/z@index": .attribute(.integer(z)), "/blocks/a@index": .attribute(.integer(a)),
        ], .badPositions(found: [z, a]), rule: "Adapter in HDF5 §2.3"))
  }

  @Test("an adapter has blocks (§2.3)")
  func noBlocks() throws {
    for changes: Changes in [["/blocks": nil], ["/blocks": nil, "/blocks": .group]] {
      try expectRefused(
        Row(
          changes,
          .missing(key: "/blocks", expected: "a group with a group for every block"),
          rule: "Adapter in HDF5 §2.3"))
    }
  }

  @Test("names (§1.4, Adapter §1.2)")
  func names() throws {
    func block(_ link: String) -> Changes {
      [
        "/blocks/\(link)@index": .attribute(.integer(2)),
        "/blocks/\(link)@scaling": .attribute(.integer(2)),
        "/blocks/\(link)/lora_A": .tensor(.dataset([2, 4])),
        "/blocks/\(link)/lora_B": .tensor(.dataset([3, 2])),
      ]
    }
    for link in ["%", "50%", "%2", "%zz", "%ff"] {
      try expectRefused(
        Row(block(link), .badEscape("/blocks/\(link)"), rule: "Adapter in HDF5 §1.4"))
    }
    try expectRefused(
      Row(["/metadata/%": .text("x")], .badEscape("/metadata/%"), rule: "Adapter in HDF5 §1.4"))
    try expectRefused(Row(block("%7a"), .duplicateBlock, "block 'z'", rule: "Adapter §1.2"))
    try expectRefused(
      Row(block("a%00"), .badName("a\0"), "block 'a\\u{0}'", rule: "Adapter §1.2"))
    let long = String(repeating: "x", count: 4097)
    try expectRefused(
      Row(block(long), .badName(long), "block '\(long)'", rule: "Adapter §1.2"))
    #expect(try test.open(block(String(long.dropLast()))).blocks.count == 3)
    try expectRefused(
      Row(
        ["/blocks/a@previous": .attribute(.string("%7a"))], .unknownPredecessor("%7a"),
        "block 'a'", rule: "Adapter §1.4"))
  }

  @Test("metadata (§2.2, Adapter §1.7)")
  func metadata() throws {
    try expectRefused(
      Row(["/metadata/a%00": .text("x")], .badMetadata(key: "a\0"), rule: "Adapter §1.7"))
    try expectRefused(
      Row(["/metadata/x": .text("a\0b")], .badMetadata(key: "x"), rule: "Adapter §1.7"))
    try expectRefused(
      Row(["/metadata/%72un": .text("8")], .repeatedMetadata(key: "run"), rule: "Adapter §1.7"))
    // The values alone are too much; keys count, too (Adapter §1.7), once all are read.
    let limit = 16 << 20
    let text = String(repeating: "x", count: limit - 5)
    try expectRefused(
      Row(
        ["/metadata/kk": .text(text), "/metadata/z": .text("12345")],
        .tooMuchMetadata(found: limit + 1), rule: "Adapter §1.7"))
  }

  private static let windowCases: [(Changes, ContentError.Reason, String)] = [
    (
      ["/blocks/z/windows/input": .doubles([1, -2])], .badNorm(window: "input", found: "-2.0"),
      "Adapter §1.5"
    ),
    (
      ["/blocks/z/windows/projection": .doubles([.nan])],
      .badNorm(window: "projection", found: "nan"), "Adapter §1.5"
    ),
    (
      ["/blocks/z/windows/input": .doubles([.infinity])],
      .badNorm(window: "input", found: "inf"), "Adapter §1.5"
    ),
    (
      ["/blocks/z/windows/projection": .doubles([1, 2, 3])],
      .windowTooLong(window: "projection", found: 3, capacity: 2), "Adapter §1.5"
    ),
    (
      [
        "/blocks/z/windows@capacity": nil,
        "/blocks/z/windows/input": .doubles([Double](repeating: 1, count: 101)),
      ], .windowTooLong(window: "input", found: 101, capacity: 100), "Adapter §1.5"
    ),
    (
      ["/blocks/z/windows@capacity": .attribute(.integer(0))],
      bad("capacity", "0", "a whole number from 1 on"), "Adapter in HDF5 §2.4"
    ),
    (
      ["/blocks/z/windows@capacity": .attribute(.double(2))],
      bad("capacity", "2.0", "a whole number from 1 on"), "Adapter in HDF5 §2.4"
    ),
  ]
  static let windowRows = windowCases.map { Row($0.0, $0.1, "block 'z'", rule: $0.2) }

  @Test("norm windows (§2.4)", arguments: windowRows.indices)
  func windows(_ number: Int) throws { try expectRefused(Self.windowRows[number]) }

  private static let base = "/blocks/a/base"

  private static let baseCases: [(Changes, ContentError.Reason, String?)] = [
    (["\(base)@tensor": nil], .missing(key: "tensor", expected: "the tensor's name"), nil),
    (["\(base)@tensor": .attribute(.integer(1))], bad("tensor", "1", "a string"), nil),
    (["\(base)@tensor": .attribute(.string(""))], .badName(""), "Adapter §1.2"),
    (["\(base)@dtype": nil], .missing(key: "dtype", expected: "a dtype"), nil),
    (
      ["\(base)@dtype": .attribute(.string("bf16"))],
      bad(
        "dtype", #""bf16""#, DType.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")),
      nil
    ),
    (["\(base)@shape": nil], .missing(key: "shape", expected: "an array of whole numbers"), nil),
    (
      ["\(base)@shape": .attribute(.integer(20))],
      bad("shape", "20", "an array of whole numbers"),
      nil
    ),
    (
      ["\(base)@shape": .attribute(.doubles([5, 4]))],
      bad("shape", "an array of floating-point numbers", "an array of whole numbers"), nil
    ),
    (
      ["\(base)@shape": .attribute(.integers([5, -4]))],
      bad(
        "shape", "[5, -4]",
        "the shape of a tensor: negative dimension (found -4, expected 0 or more)"),
      "Adapter §1.6"
    ),
    (["\(base)@sha256": nil], .missing(key: "sha256", expected: "64 hexadecimal digits"), nil),
    (
      ["\(base)@sha256": .attribute(.string("0"))],
      bad("sha256", "0", "64 lower-case hexadecimal digits"), "Adapter §1.6"
    ),
    (
      ["\(base)@squared_norm": nil],
      .missing(key: "squared_norm", expected: "a number from 0 on"), nil
    ),
    (
      ["\(base)@squared_norm": .attribute(.double(-1))],
      bad("squared_norm", "-1.0", "a number from 0 on"), "Adapter §1.6"
    ),
    (
      ["\(base)@squared_norm": .attribute(.double(.infinity))],
      bad("squared_norm", "inf", "a finite number"), nil
    ),
    (["\(base)/cross": nil], .missing(key: "cross", expected: "a group"), nil),
    (["\(base)/cross@z": .attribute(.string("2"))], bad("z", #""2""#, "a finite number"), nil),
    (["\(base)/cross@z": .attribute(.double(.nan))], bad("z", "nan", "a finite number"), nil),
    (["\(base)/cross@y": .attribute(.double(1))], .strangeCross("y"), "Adapter §1.6"),
  ]
  static let baseRows = baseCases.map {
    Row($0.0, $0.1, "block 'a'", rule: $0.2 ?? "Adapter in HDF5 §2.5")
  }

  @Test("a base weight (§2.5)", arguments: baseRows.indices)
  func base(_ number: Int) throws { try expectRefused(Self.baseRows[number]) }

  @Test("statistics name no block that comes later (Adapter §1.6)")
  func laterCross() throws {
    let base = "/blocks/z/base"
    try expectRefused(
      Row(
        [
          "\(base)@tensor": .attribute(.string("z.weight")),
          "\(base)@dtype": .attribute(.string("F32")),
          "\(base)@shape": .attribute(.integers([3, 4])),
          "\(base)@sha256": .attribute(.string(TestHDF5Adapter.hash)),
          "\(base)@squared_norm": .attribute(.double(1)),
          "\(base)/cross@a": .attribute(.double(1)),
        ], .strangeCross("a"), "block 'z'", rule: "Adapter §1.6"))
  }

  static let objectRows: [(Changes, HDF5Object, HDF5Error.Reason)] = [
    (
      ["/blocks": nil, "/blocks": .text("x")], .group("/blocks"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/blocks/x": .text("x")], .group("/blocks/x"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/metadata": nil, "/metadata": .doubles([1])], .group("/metadata"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/metadata/run": nil, "/metadata/run": .group], .dataset("/metadata/run"),
      .wrongKind(found: "a group", expected: "a dataset")
    ),
    (
      ["/metadata/run": .doubles([1])], .dataset("/metadata/run"),
      .wrongKind(found: "F64 of shape [1]", expected: "a string")
    ),
    (
      ["/blocks/z/lora_A": nil, "/blocks/z/lora_A": .group], .dataset("/blocks/z/lora_A"),
      .wrongKind(found: "a group", expected: "a dataset")
    ),
    (
      ["/blocks/z/lora_A": .text("xy")], .dataset("/blocks/z/lora_A"),
      .wrongKind(found: "strings of 2 bytes", expected: "F64, F32, F16 or BF16")
    ),
    (
      ["/blocks/z/windows": nil, "/blocks/z/windows": .doubles([1])], .group("/blocks/z/windows"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/blocks/z/windows/input": .tensor(.dataset([2]))], .dataset("/blocks/z/windows/input"),
      .wrongKind(found: "F32 of shape [2]", expected: "F64 of rank 1")
    ),
    (
      ["/blocks/z/windows/input": .tensor(.dataset([2, 1], dtype: .f64))],
      .dataset("/blocks/z/windows/input"),
      .wrongKind(found: "F64 of shape [2, 1]", expected: "F64 of rank 1")
    ),
    (
      ["/blocks/a/base": nil, "/blocks/a/base": .text("x")], .group("/blocks/a/base"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/blocks/a/base/cross": nil, "/blocks/a/base/cross": .text("x")],
      .group("/blocks/a/base/cross"), .wrongKind(found: "a dataset", expected: "a group")
    ),
  ]

  @Test("objects of the wrong kind", arguments: objectRows.indices)
  func wrongKind(_ number: Int) throws {
    let (changes, object, reason) = Self.objectRows[number]
    let path = try test.write(changes)
    let error = #expect(throws: HDF5Error.self) { try Adapter(path: path) }
    #expect(error == HDF5Error(path: path, object: object, reason: reason))
  }

  @Test("factors (Adapter §1.3)")
  func factors() throws {
    func refusal(_ changes: Changes) throws -> (path: String, error: AdapterError?) {
      let path = try test.write(changes)
      return (path, #expect(throws: AdapterError.self) { try Adapter(path: path) })
    }
    let flat = try refusal(["/blocks/z/lora_A": .tensor(.dataset([8]))])
    #expect(
      flat.error == .notAMatrix(source: flat.path, tensor: "z.lora_A", found: [8]))
    let empty = try refusal(["/blocks/z/lora_B": .tensor(.dataset([0, 2]))])
    #expect(empty.error == .notAMatrix(source: empty.path, tensor: "z.lora_B", found: [0, 2]))
    let rank = try refusal(["/blocks/z/lora_B": .tensor(.dataset([3, 3]))])
    #expect(
      rank.error
        == .inAdapter(
          source: rank.path, .rankMismatch(block: "z", rowsOfA: 2, columnsOfB: 3)))
    let stack = try refusal(["/blocks/a/lora_A.1": .tensor(.dataset([2, 3]))])
    #expect(
      stack.error
        == .stackMismatch(source: stack.path, tensor: "a.lora_A.1", found: 3, expected: 4))
  }

  @Test("links (Adapter §1.4, Merging §3.2)")
  func links() throws {
    let path = test.folder.file("adapter.bin")
    #expect(throws: AdapterError.inAdapter(source: path, .cycle(block: "z"))) {
      try test.open([
        "/blocks/z@previous": .attribute(.string("a")), "/blocks/a/base": nil,
      ])
    }
    #expect(
      throws: AdapterError.inAdapter(
        source: path,
        .linkMismatch(block: "a", predecessor: "z", what: "in features", found: 4, expected: 3))
    ) { try test.open(["/blocks/z/lora_A": .tensor(.dataset([2, 3]))]) }
  }

  @Test("what the page does not name is ignored, and warned of (§1.1)")
  func unknown() throws {
    let changes: Changes = [
      "/notes": .text("x"), "/@author": .attribute(.string("x")),
      "/metadata@x": .attribute(.integer(1)), "/blocks@x": .attribute(.integer(1)),
      "/blocks/z/magnitude": .doubles([1]), "/blocks/z/lora_A.x": .doubles([1]),
      "/blocks/z@rank": .attribute(.integer(2)),
      "/blocks/z/windows/output": .doubles([1]), "/blocks/z/windows@x": .attribute(.integer(1)),
      "/blocks/a/base/x": .group, "/blocks/a/base@norm": .attribute(.double(1)),
      "/blocks/a/base/cross/x": .group,
    ]
    #expect(try test.open(changes).names == ["z", "a"])
    let found = try test.violations(changes)
    #expect(
      found
        == [
          "/notes", "attribute author of /", "attribute x of /metadata", "attribute x of /blocks",
          "/blocks/a/base/x", "attribute norm of /blocks/a/base", "/blocks/a/base/cross/x",
          "/blocks/z/windows/output", "attribute x of /blocks/z/windows", "/blocks/z/lora_A.x",
          "/blocks/z/magnitude", "attribute rank of /blocks/z",
        ].map { "warning: \($0) is no part of it and is ignored [Adapter in HDF5 §1.1]" })
  }

  @Test("every broken rule is listed once, and nothing that only follows from it")
  func all() throws {
    let found = try test.violations([
      "/@structure": nil, "/@pre_num": .attribute(.integer(-7)), "/metadata/50%": .text("x"),
      "/blocks/a@index": nil, "/blocks/a/lora_B.1": nil,
      "/blocks/z@scaling": .attribute(.double(.nan)),
      "/blocks/z/windows/input": .doubles([-1]), "/blocks/x": .text("x"),
      "/blocks/a/base@dtype": nil,
    ])
    #expect(
      found == [
        "bad escape in the name '/metadata/50%' (expected % and two hexadecimal digits) "
          + "[Adapter in HDF5 §1.4]",
        "block 'a': lacks 'index' (expected the block's position) [Adapter in HDF5 §2.3]",
        "block 'a': lacks 'dtype' (expected a dtype) [Adapter in HDF5 §2.5]",
        "block 'a': lacks 'lora_B.1' (expected a dataset) [Adapter in HDF5 §2.3]",
        "group '/blocks/x': is of the wrong kind (found a dataset, expected a group)",
        "block 'z': bad 'scaling' (found nan, expected a finite number) [Adapter in HDF5 §2.3]",
        "block 'z': bad norm in the input window (found -1.0, expected a finite number from 0 on) "
          + "[Adapter §1.5]",
        "lacks 'structure' (expected \"plain\", \"is\", \"bs\" or \"ms\") [Adapter in HDF5 §2.1]",
        "bad 'pre_num' (found -7, expected a whole number from -1 on) [Adapter in HDF5 §2.1]",
      ])
  }
}
