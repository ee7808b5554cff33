import Adapters
import Folding
import Safetensors
import Tensors
import TestSupport
import LoRATestSupport
import Testing

/// Folds of made-up weights: tiles, figures, refusals and verification.
@Suite struct FoldTests {
  private static let arithmetic: [DType] = [.f64, .f32, .bf16, .f16]

  @Test("weights of many tiles with odd sizes", arguments: arithmetic)
  func manyTiles(_ dtype: DType) throws {
    let base = try MemoryTensorSource.random([
      ("a.weight", dtype, [531, 1037]), ("other", .i64, [70_001]),
      ("b.weight", dtype, [3, 200_003]),
    ])
    let lora = MemoryLoRA([("a", 531, 1037, 5), ("b", 3, 200_003, 2)], scaling: 0.5)
    let plan = try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: false)
    let sink = MemorySink(plan.tensors)
    let report = try Fold(threads: 3).run(plan, into: sink)
    #expect(report.tensorsChanged == 2)
    #expect(report.tensorsCopied == 1)
    #expect(sink.bytes(of: 1) == (try base.bytes(of: 1)))
    for (tensor, block) in [(0, 0), (2, 1)] {
      let before = try base.float64(of: tensor)
      let sums = zip(before, lora.delta(of: block)).map { $0 + $1 }
      let wanted = Conversion.bytes(from: sums, dtype: dtype)
        .withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
      let found = sink.values(of: tensor)
      let differing = zip(found, wanted).filter { $0 != $1 }.count
      #expect(dtype == .f64 || differing * 1000 < found.count, "\(differing) of \(found.count)")
      #expect(zip(found, sums).allSatisfy { abs($0 - $1) <= 0x1p-7 * max(abs($1), 0.01) })
    }
  }

  @Test("unchanged share and realised error equal their definitions", arguments: arithmetic)
  func figures(_ dtype: DType) throws {
    let base = try MemoryTensorSource.random([("a.weight", dtype, [64, 129])])
    let lora = MemoryLoRA([("a", 64, 129, 3)], scaling: 1, magnitude: 2e-3)
    let plan = try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: false)
    let sink = MemorySink(plan.tensors)
    let figures = try #require(try Fold(threads: 1).run(plan, into: sink).blocks.first)
    let before = try base.float64(of: 0)
    let after = sink.values(of: 0)
    let delta = lora.delta(of: 0)
    let norm = delta.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(agree(figures.deltaNorm, norm, to: 1e-12))
    let unchanged = before.indices.filter { delta[$0] != 0 && after[$0] == before[$0] }.count
    #expect(figures.unchangedShare == Double(unchanged) / Double(before.count))
    let residual = before.indices.reduce(0.0) { sum, i in
      let r = (after[i] - before[i]) - delta[i]
      return sum + r * r
    }.squareRoot()
    let tolerance = dtype == .f64 ? 1e-2 : 1e-5
    #expect(agree(figures.realisedError, residual / norm, to: tolerance))
    if dtype == .bf16 { #expect(figures.unchangedShare > 0.3) }
  }

  @Test(
    "a NaN or an infinity in a weight is refused unless allowed",
    arguments: [
      Double.nan, .infinity,
    ])
  func nonFinite(_ value: Double) throws {
    let info = try TensorInfo(name: "a.weight", dtype: .bf16, shape: [2, 3])
    let base = MemoryTensorSource(
      label: "base",
      tensors: [(info, Conversion.bytes(from: [1, 2, 3, value, 5, 6], dtype: .bf16))])
    let lora = MemoryLoRA([("a", 2, 3, 1)])
    let plan = try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: false)
    #expect(throws: FoldError.nonFinite(base: "base", weights: ["a.weight"])) {
      try Fold(threads: 1).run(plan, into: MemorySink(plan.tensors))
    }
    let sink = MemorySink(plan.tensors)
    _ = try Fold(threads: 1, allowsNonFinite: true).run(plan, into: sink)
    #expect(!sink.values(of: 0)[3].isFinite)
    #expect(sink.values(of: 0)[4].isFinite)
  }

  @Test("overflow is counted and refused unless allowed")
  func overflow() throws {
    let info = try TensorInfo(name: "a.weight", dtype: .f16, shape: [2, 2])
    let base = MemoryTensorSource(
      label: "base",
      tensors: [(info, Conversion.bytes(from: [65504, -65504, 1, 65504], dtype: .f16))])
    let a = Matrix(rows: 1, columns: 2, values: [100, -100])
    let lora = OneBlock(PlainFactors(a: a, b: Matrix(rows: 2, columns: 1, values: [1, 0])))
    let plan = try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: false)
    #expect(
      throws: FoldError.overflow(base: "base", weights: ["a.weight"], elements: 2, dtype: .f16)
    ) { try Fold(threads: 1).run(plan, into: MemorySink(plan.tensors)) }
    let sink = MemorySink(plan.tensors)
    _ = try Fold(threads: 1, allowsNonFinite: true).run(plan, into: sink)
    #expect(sink.values(of: 0) == [.infinity, -.infinity, 1, 65504])
    // A wider output holds them.
    let wide = try FoldPlan(base: base, lora: lora, dtype: .bf16, allowingUnmatched: false)
    #expect(throws: Never.self) { try Fold(threads: 1).run(wide, into: MemorySink(wide.tensors)) }
  }

  @Test("a tensor without a block that overflows when it is converted is refused too")
  func convertedOverflow() throws {
    let other = try TensorInfo(name: "other", dtype: .f32, shape: [3])
    let weight = try TensorInfo(name: "a.weight", dtype: .f32, shape: [1, 1])
    let base = MemoryTensorSource(
      label: "base",
      tensors: [
        (weight, Conversion.bytes(from: [1], dtype: .f32)),
        (other, Conversion.bytes(from: [1e5, 1, .infinity], dtype: .f32)),
      ])
    let lora = MemoryLoRA([("a", 1, 1, 1)])
    let plan = try FoldPlan(base: base, lora: lora, dtype: .f16, allowingUnmatched: false)
    #expect(throws: FoldError.overflow(base: "base", weights: ["other"], elements: 1, dtype: .f16))
    {
      try Fold(threads: 1).run(plan, into: MemorySink(plan.tensors))
    }
    let sink = MemorySink(plan.tensors)
    _ = try Fold(threads: 1, allowsNonFinite: true).run(plan, into: sink)
    #expect(sink.values(of: 1) == [.infinity, 1, .infinity])
  }

  @Test(
    "a byte that reads back differently is found, wherever it is",
    arguments: [
      (0, 5), (0, 1_100_000), (1, 77),
    ])
  func damage(_ tensor: Int, _ byte: Int) throws {
    let base = try MemoryTensorSource.random([
      ("a.weight", .f32, [300, 1000]), ("other", .u8, [100]),
    ])
    let lora = MemoryLoRA([("a", 300, 1000, 2)])
    let plan = try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: false)
    let sink = MemorySink(plan.tensors, lie: (tensor, byte))
    let error = #expect(throws: FoldError.self) { try Fold(threads: 2).run(plan, into: sink) }
    guard case .damaged(base.tensors[tensor].name, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("an error of the progress callback stops the fold and leaves nothing")
  func cancellation() throws {
    struct Stop: Error {}
    let folder = TemporaryFolder()
    let base = try MemoryTensorSource.random([("a.weight", .f32, [300, 1000])])
    let lora = MemoryLoRA([("a", 300, 1000, 2)])
    let plan = try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: false)
    func run() throws {
      let writer = try SafetensorsWriter(
        path: folder.file("out.safetensors"),
        layout: SafetensorsLayout(tensors: plan.tensors, metadata: []), replacing: false)
      _ = try Fold(threads: 2).run(plan, into: writer) { _ in throw Stop() }
      try writer.commit()
    }
    #expect(throws: Stop.self) { try run() }
    #expect(folder.entries.isEmpty)
  }

  @Test("blocks without a weight are an error, or left out")
  func unmatched() throws {
    let base = try MemoryTensorSource.random([("a.weight", .f32, [2, 3])])
    let lora = MemoryLoRA([("a", 2, 3, 1), ("b", 2, 3, 1)])
    #expect(
      throws: BaseMatchError(base: "base", faults: [.missing(block: "b", nearest: ["'a.weight'"])])
    ) { try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: false) }
    let plan = try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: true)
    #expect(plan.unmatched == ["b"])
    #expect(try Fold(threads: 1).run(plan, into: MemorySink(plan.tensors)).tensorsChanged == 1)
  }

  @Test("empty tensors and scalars pass")
  func emptyTensors() throws {
    let base = try MemoryTensorSource.random([
      ("a.weight", .f32, [2, 3]), ("empty", .f32, [0, 4]), ("scalar", .f16, []),
    ])
    let lora = MemoryLoRA([("a", 2, 3, 1)])
    for dtype in [nil, DType.f64] {
      let plan = try FoldPlan(base: base, lora: lora, dtype: dtype, allowingUnmatched: false)
      let sink = MemorySink(plan.tensors)
      _ = try Fold(threads: 2).run(plan, into: sink)
      #expect(sink.values(of: 2) == (try base.float64(of: 2)))
    }
  }

  /// A LoRA of one block named `a` with scaling 1.
  private struct OneBlock: PlainLoRA {
    let blocks: [PlainBlock]
    private let own: PlainFactors

    init(_ factors: PlainFactors) {
      own = factors
      blocks = [
        PlainBlock(
          name: "a", rank: factors.a.rows, inFeatures: factors.a.columns,
          outFeatures: factors.b.rows, scaling: 1, aDType: .f32, bDType: .f32)
      ]
    }

    func factors(of index: Int) throws -> PlainFactors { own }
  }
}
