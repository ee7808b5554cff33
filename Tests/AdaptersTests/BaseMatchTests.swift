import Adapters
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Which base weight belongs to which block (Merging §6.3).
@Suite(.timeLimit(.minutes(10))) struct BaseMatchTests {
  private static let prefixes = [
    "", "base_model.model.", "model.", "transformer.", "bert.", "module.",
  ]

  private func base(_ names: [String], shape: [Int] = [4, 5], dtype: DType = .f32) throws
    -> MemoryTensorSource
  {
    try MemoryTensorSource(
      names.map { TestTensor(TensorName($0), shape, dtype: dtype) }, label: "base.safetensors")
  }

  private func wanted(_ names: [String], out: Int = 4, in inFeatures: Int = 5) -> [BaseMatch.Wanted]
  {
    names.map { name in
      BaseMatch.Wanted(
        PlainBlock(
          name: TensorName(name), rank: 2, inFeatures: inFeatures, outFeatures: out, scaling: 1,
          aDType: .f32, bDType: .f32))
    }
  }

  private func match(
    _ names: [String], in base: MemoryTensorSource, allowingUnmatched: Bool = false
  ) throws -> BaseMatch {
    try BaseMatch(wanted(names), in: base, allowingUnmatched: allowingUnmatched)
  }

  private func expectFaults(
    _ names: [String], in base: MemoryTensorSource, allowingUnmatched: Bool = false,
    _ faults: [BaseMatchError.Fault], line: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: BaseMatchError.self, sourceLocation: sourceLocation) {
      try match(names, in: base, allowingUnmatched: allowingUnmatched)
    }
    #expect(error?.faults == faults, sourceLocation: sourceLocation)
    #expect(error?.base == "base.safetensors", sourceLocation: sourceLocation)
    #expect(error?.failureKind == .badData, sourceLocation: sourceLocation)
    if let line { #expect(error?.description == line, sourceLocation: sourceLocation) }
  }

  @Test("every substitution", arguments: prefixes, prefixes)
  func substitution(_ stripped: String, _ added: String) throws {
    let blocks = ["\(stripped)l.0.q", "\(stripped)l.1.q"]
    let base = try base(["other.weight", "\(added)l.1.q.weight", "\(added)l.0.q.weight"])
    let match = try match(blocks, in: base)
    // Taking a prefix off and putting it back leaves names as they are.
    let isIdentity = stripped == added
    #expect(match.substitution.stripped == (isIdentity ? "" : stripped))
    #expect(match.substitution.added == (isIdentity ? "" : added))
    #expect(match.weights == [2, 1])
    #expect(match.matchedCount == 2)
  }

  @Test(
    "a substitution in words",
    arguments: [
      ("x", "x", "as they are"), ("model.x", "x", "without 'model.'"),
      ("x", "bert.x", "with 'bert.' before them"),
      ("model.x", "module.x", "'model.' replaced by 'module.'"),
    ])
  func words(_ block: String, _ weight: String, _ words: String) throws {
    let match = try match([block], in: base(["\(weight).weight"]))
    #expect(match.substitution.description == words)
  }

  @Test("one substitution for all blocks: the one with the most matches")
  func most() throws {
    // As they are: one. With "model." before: two.
    let base = try base(["a.weight", "model.b.weight", "model.c.weight"])
    let match = try match(["a", "b", "c"], in: base, allowingUnmatched: true)
    #expect(match.substitution.added == "model.")
    #expect(match.weights == [nil, 1, 2])
    #expect(match.matchedCount == 2)
  }

  @Test("among equals the earliest, by what is stripped, then by what is added")
  func ties() throws {
    // As they are goes before everything.
    #expect(
      try match(["x"], in: base(["model.x.weight", "x.weight"])).substitution.description
        == "as they are")
    // Nothing stripped goes before something stripped, though it adds more.
    let first = try match(
      ["model.x", "y"], in: base(["x.weight", "module.y.weight"]), allowingUnmatched: true)
    #expect(first.substitution.description == "with 'module.' before them")
    // Of two that strip the same, the first in the list of what is added.
    let second = try match(["x"], in: base(["bert.x.weight", "transformer.x.weight"]))
    #expect(second.substitution.description == "with 'transformer.' before them")
    let third = try match(
      ["model.x", "bert.y"], in: base(["x.weight", "y.weight"]), allowingUnmatched: true)
    #expect(third.substitution.description == "without 'model.'")
  }

  @Test("prefixes are compared by bytes")
  func bytes() throws {
    // The combining mark joins the dot of the prefix to one character.
    let match = try match(["model.\u{301}x"], in: base(["\u{301}x.weight"]))
    #expect(match.substitution.description == "without 'model.'")
    expectFaults(
      ["\u{e9}"], in: try base(["e\u{301}.weight"]),
      [.missing(block: "\u{e9}", nearest: ["'e\u{301}.weight'"])])
  }

  @Test("all blocks without a weight are listed, with the nearest names")
  func missing() throws {
    let base = try base(["l.0.q.weight", "l.0.k.weight", "l.1.k.weight", "norm.weight"])
    expectFaults(
      ["l.0.q", "l.1.q", "l.2.q"], in: base,
      [
        .missing(block: "l.1.q", nearest: ["'l.0.q.weight'", "'l.1.k.weight'"]),
        .missing(block: "l.2.q", nearest: ["'l.0.q.weight'", "'l.0.k.weight'"]),
      ],
      line: "base.safetensors: 2 of the adapter's blocks do not fit: block 'l.1.q' has no base "
        + "weight (nearest: 'l.0.q.weight', 'l.1.k.weight'); block 'l.2.q' has no base weight "
        + "(nearest: 'l.0.q.weight', 'l.0.k.weight'); is this the right base? fold --allow-unmatched leaves such blocks out, except under bw, which needs every weight"
    )
  }

  @Test("unmatched blocks may be left out, but not all of them")
  func allowed() throws {
    let base = try base(["l.0.q.weight"])
    let match = try match(["l.1.q", "l.0.q"], in: base, allowingUnmatched: true)
    #expect(match.weights == [nil, 0])
    expectFaults(
      ["l.1.q"], in: base, allowingUnmatched: true,
      [.missing(block: "l.1.q", nearest: ["'l.0.q.weight'"])])
    expectFaults(["x"], in: try self.base([]), [.missing(block: "x", nearest: [])])
  }

  @Test("a weight of another shape", arguments: [[5, 4], [4], [4, 5, 1], [], [4, 6]])
  func shape(_ shape: [Int]) throws {
    expectFaults(
      ["x"], in: try base(["x.weight"], shape: shape),
      [.wrongShape(block: "x", weight: "x.weight", found: shape, expected: [4, 5])],
      line:
        "base.safetensors: 1 of the adapter's blocks does not fit: block 'x': weight 'x.weight' "
        + "has the wrong shape (found \(shape), expected [4, 5])")
  }

  @Test("a weight that can't be folded into", arguments: [DType.i64, .i8, .u8, .f8E4M3, .f4])
  func dtype(_ dtype: DType) throws {
    expectFaults(
      ["x"], in: try base(["x.weight"], dtype: dtype),
      [
        .wrongDType(
          block: "x", weight: "x.weight", found: dtype, allowed: BaseMatch.arithmeticDTypes)
      ],
      line:
        "base.safetensors: 1 of the adapter's blocks does not fit: block 'x': weight 'x.weight' "
        + "can't be folded into (found \(dtype.rawValue), expected F64, F32, F16 or BF16)")
  }

  @Test("two blocks on one weight")
  func shared() throws {
    expectFaults(
      ["x", "x"], in: try base(["x.weight"]),
      [.sharedWeight(block: "x", other: "x", weight: "x.weight")],
      line: "base.safetensors: 1 of the adapter's blocks does not fit: blocks 'x' and 'x' both "
        + "belong to weight 'x.weight'")
  }

  @Test("faults of several kinds are all listed, in the order of the blocks")
  func severalFaults() throws {
    let base = try MemoryTensorSource(
      [
        TestTensor("a.weight", [4, 5], dtype: .i64), TestTensor("b.weight", [4, 4]),
        TestTensor("c.weight", [4, 5]),
      ], label: "base.safetensors")
    expectFaults(
      ["b", "d", "a", "c"], in: base,
      [
        .wrongShape(block: "b", weight: "b.weight", found: [4, 4], expected: [4, 5]),
        .missing(block: "d", nearest: ["'a.weight'", "'b.weight'"]),
        .wrongDType(
          block: "a", weight: "a.weight", found: .i64, allowed: BaseMatch.arithmeticDTypes),
      ])
    // Being allowed to leave blocks out does not allow those that do not fit.
    expectFaults(
      ["b", "d", "a", "c"], in: base, allowingUnmatched: true,
      [
        .wrongShape(block: "b", weight: "b.weight", found: [4, 4], expected: [4, 5]),
        .wrongDType(
          block: "a", weight: "a.weight", found: .i64, allowed: BaseMatch.arithmeticDTypes),
      ])
  }

  @Test("names from files can't steer a terminal")
  func escaped() throws {
    let error = #expect(throws: BaseMatchError.self) {
      try match(["a\u{1b}b"], in: base(["a\u{1b}c.weight"]))
    }
    #expect(error?.description.contains(#"block 'a\u{1b}b' has no base weight"#) == true)
    #expect(error?.description.unicodeScalars.contains("\u{1b}") == false)
  }

  @Test("thousands of blocks without a weight are listed at once")
  func manyMissing() throws {
    let experts = (0..<4000).map { "model.layers.\($0 / 100).mlp.experts.\($0 % 100).up_proj" }
    let base = try base(experts.map { "decoder.\($0).weight" }, shape: [1, 1])
    let error = #expect(throws: BaseMatchError.self) { try match(experts, in: base) }
    #expect(error?.faults.count == 4000)
    #expect(
      error?.faults.first
        == .missing(
          block: "model.layers.0.mlp.experts.0.up_proj",
          nearest: [
            "'decoder.model.layers.0.mlp.experts.0.up_proj.weight'",
            "'decoder.model.layers.1.mlp.experts.0.up_proj.weight'",
          ]))
  }
}
