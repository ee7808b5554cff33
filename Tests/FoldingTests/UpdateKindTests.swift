import Adapters
import Folding
import Tensors
import TestSupport
import Testing

/// Folds of every kind of update, in every dtype, against float64 by the plainest of loops.
@Suite struct UpdateKindTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let from: DType
    let to: DType?
    var testDescription: String { "\(name), \(from.rawValue) to \(to?.rawValue ?? "itself")" }
  }

  static let kinds = ["product", "hadamard", "kronecker", "dense", "DoRA by row", "DoRA by column"]
  static let cases = kinds.flatMap { name in
    [DType.f64, .f32, .bf16, .f16].flatMap { from in
      [nil, DType.f32, .bf16, .f16, .f64].compactMap { to in
        to == from ? nil : Case(name: name, from: from, to: to)
      }
    }
  }

  static func update(_ name: String, _ rows: Int, _ columns: Int) throws -> TestUpdate {
    switch name {
    case "DoRA by row": .rescaled("a", rows, columns, per: .row)
    case "DoRA by column": .rescaled("a", rows, columns, per: .column)
    case "replaced": try .replaced("a.weight", [rows, columns])
    default: .sum(try #require(TestUpdate.Kind(rawValue: name)), "a", rows, columns)
    }
  }

  @Test("a fold is the float64 result rounded once, with the figures it has", arguments: cases)
  func values(_ test: Case) throws {
    let base = try MemoryTensorSource.random([
      ("a.weight", test.from, [66, 93]), ("other", test.from, [11]), ("ids", .i64, [3]),
    ])
    let update = try Self.update(test.name, 66, 93)
    let folded = try FoldedBase(base, [update], dtype: test.to)
    let wanted = update.applied(try base.float64(of: 0), 1)
    try folded.expect("a.weight", is: wanted)
    try folded.expectFigures("a.weight", wanted: wanted)
    let dtype = test.to ?? test.from
    #expect(try folded.dtype("a.weight") == dtype)
    #expect(
      try folded.values("other") == base.float64(of: 1).map { Rounding.rounded($0, dtype) })
    #expect(try folded.bytes("ids") == base.bytes(of: 2))
  }

  @Test(
    "weights of several tiles with odd sizes",
    arguments: kinds + ["replaced"], [DType.f32, .bf16])
  func manyTiles(_ name: String, _ dtype: DType) throws {
    let base = try MemoryTensorSource.random([("a.weight", dtype, [417, 1542])])
    let update = try Self.update(name, 417, 1542)
    for threads in [1, 3] {
      let folded = try FoldedBase(base, [update], threads: threads)
      try folded.expect("a.weight", is: update.applied(try base.float64(of: 0), 1))
    }
  }

  @Test("a tensor that replaces is rounded into the base's dtype", arguments: [DType.bf16, .f64])
  func replaced(_ dtype: DType) throws {
    let base = try MemoryTensorSource.random([
      ("head.weight", dtype, [40, 31]), ("head.bias", dtype, [40]), ("scale", dtype, []),
    ])
    let updates = try [
      TestUpdate.replaced("head.weight", [40, 31]),
      TestUpdate.replaced("head.bias", [40], seed: 9), TestUpdate.replaced("scale", [], seed: 10),
    ]
    for target in [nil, DType.f16] {
      let folded = try FoldedBase(base, updates, dtype: target)
      for (update, info) in zip(updates, base.tensors) {
        let wanted = update.applied([], 1)
        let stored = try folded.values(info.name)
        #expect(stored == wanted.map { Rounding.rounded($0, target ?? dtype) })
        try folded.expectFigures(info.name, wanted: wanted)
      }
      #expect(folded.report.tensorsChanged == 3)
    }
  }

  @Test("a bias takes its delta as one row", arguments: [DType.bf16, .f32])
  func bias(_ dtype: DType) throws {
    let base = try MemoryTensorSource.random([
      ("a.bias", dtype, [70]), ("a.weight", dtype, [70, 3]),
    ])
    let update = TestUpdate.sum(.dense, "a", 1, 70, shape: [70], parameter: .bias)
    let folded = try FoldedBase(base, [update], weight: -2)
    try folded.expect("a.bias", is: update.applied(try base.float64(of: 0), -2))
    #expect(try folded.bytes("a.weight") == base.bytes(of: 1))
    #expect(folded.report.blocks[0].block == "a.bias")
  }

  @Test("an embedding changes by its rows as any matrix does")
  func embedding() throws {
    let base = try MemoryTensorSource.random([("embed_tokens.weight", .bf16, [1001, 24])])
    let update = TestUpdate.sum(.product, "embed_tokens", 1001, 24)
    let folded = try FoldedBase(base, [update])
    try folded.expect("embed_tokens.weight", is: update.applied(try base.float64(of: 0), 1))
  }

  @Test("a convolution's kernel lies in the columns")
  func convolution() throws {
    let base = try MemoryTensorSource.random([("conv.weight", .f32, [12, 5, 3, 3])])
    let update = TestUpdate.sum(.product, "conv", 12, 45, shape: [12, 5, 3, 3])
    let folded = try FoldedBase(base, [update])
    try folded.expect("conv.weight", is: update.applied(try base.float64(of: 0), 1))
    #expect(folded.sink.tensors[0].shape == [12, 5, 3, 3])
  }
}
