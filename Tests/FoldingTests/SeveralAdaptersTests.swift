import Adapters
import Folding
import Tensors
import TestSupport
import Testing

/// Folds of several adapters at once (Folding §2.1).
@Suite struct SeveralAdaptersTests {
  private static let arithmetic: [DType] = [.f64, .f32, .bf16, .f16]

  private func adapter(_ kind: TestUpdate.Kind, seed: UInt64, rank: Int = 16) -> TestUpdate {
    .sum(kind, "a", 96, 130, rank: rank, magnitude: 0.05, seed: seed)
  }

  private func input(_ label: String, _ updates: [TestUpdate], _ weight: Double) -> FoldInput {
    FoldInput(label: label, updates: updates.map(\.update), weight: weight)
  }

  @Test("deltas are added with their weights and rounded once", arguments: arithmetic)
  func weights(_ dtype: DType) throws {
    let base = try MemoryTensorSource.random([("a.weight", dtype, [96, 130])], magnitude: 0.2)
    let updates = (1...3).map { adapter(.product, seed: $0) }
    let weights = [0.7, -1.5, 0]
    let folded = try FoldedBase(
      base, zip(updates, weights).enumerated().map { input("\($0)", [$1.0], $1.1) })
    var wanted = try base.float64(of: 0)
    for (update, weight) in zip(updates, weights) { wanted = update.applied(wanted, weight) }
    try folded.expect("a.weight", is: wanted)
    try folded.expectFigures("a.weight", wanted: wanted)
    #expect(folded.plan.changes.map(\.kinds) == [["product", "product", "product"]])
  }

  @Test("kinds of sums mix in one weight, with one rounding", arguments: arithmetic)
  func mixedKinds(_ dtype: DType) throws {
    let base = try MemoryTensorSource.random([("a.weight", dtype, [96, 130])], magnitude: 0.2)
    let updates = TestUpdate.Kind.allCases.enumerated().map {
      adapter($1, seed: UInt64($0 + 20), rank: 4)
    }
    let weights = [1, 0.5, -0.25, 2]
    let folded = try FoldedBase(
      base, zip(updates, weights).enumerated().map { input("\($0)", [$1.0], $1.1) })
    var wanted = try base.float64(of: 0)
    for (update, weight) in zip(updates, weights) { wanted = update.applied(wanted, weight) }
    try folded.expect("a.weight", is: wanted)
    try folded.expectFigures("a.weight", wanted: wanted)
    #expect(folded.plan.changes[0].kinds == ["product", "hadamard", "kronecker", "dense"])
  }

  @Test("adapters that change different weights go each their way")
  func disjoint() throws {
    let base = try MemoryTensorSource.random([
      ("a.weight", .bf16, [96, 130]), ("b.weight", .bf16, [8, 9]), ("c.weight", .bf16, [8, 9]),
    ])
    let first = adapter(.product, seed: 1)
    let second = TestUpdate.sum(.product, "b", 8, 9)
    let folded = try FoldedBase(base, [input("x", [first], 1), input("y", [second], 0.5)])
    try folded.expect("a.weight", is: first.applied(folded.before("a.weight"), 1))
    try folded.expect("b.weight", is: second.applied(folded.before("b.weight"), 0.5))
    #expect(try folded.bytes("c.weight") == base.bytes(of: 2))
    #expect(folded.report.tensorsChanged == 2 && folded.report.tensorsCopied == 1)
    #expect(folded.report.blocks.map(\.block) == ["a", "b"])
  }

  @Test("the order of adapters is that in which deltas are added")
  func order() throws {
    // In float64 (2^60 + 1) - 2^60 is 0, and 2^60 - 2^60 + 1 is 1.
    let base = MemoryTensorSource(
      label: "base",
      tensors: [
        (
          try TensorInfo(name: "a.weight", dtype: .f64, shape: [1, 1]),
          Conversion.bytes(from: [0], dtype: .f64)
        )
      ])
    func constant(_ value: Double) -> FoldInput {
      FoldInput(
        label: "\(value)",
        updates: [
          WeightUpdate(
            module: "a", shape: [1, 1],
            action: .add { _ in .dense(Matrix(rows: 1, columns: 1, values: [value])) }, kind: "x",
            loadedElements: 1, isProduct: false)
        ])
    }
    let (large, one, back) = (constant(0x1p60), constant(1), constant(-0x1p60))
    #expect(try FoldedBase(base, [large, one, back]).values("a.weight") == [0])
    #expect(try FoldedBase(base, [large, back, one]).values("a.weight") == [1])
  }

  @Test("a weight is the scale of the deltas: twice 0.5 is once 1 to the bit")
  func scale() throws {
    let base = try MemoryTensorSource.random([("a.weight", .bf16, [96, 130])])
    let update = adapter(.product, seed: 4)
    let once = try FoldedBase(base, [input("x", [update], 0.25)])
    let scaled = try FoldedBase(
      base,
      [
        FoldInput(
          label: "x",
          updates: [
            WeightUpdate(
              module: "a", shape: [96, 130],
              action: .add { allowing in
                guard case .add(let load) = update.update.action else { fatalError("a sum") }
                return try load(allowing).scaled(by: 0.25)
              }, kind: "LoRA", loadedElements: 1)
          ])
      ])
    #expect(once.allBytes == scaled.allBytes)
  }

  @Test("a bf16 fold at rank 16 differs from float64-then-round in fewer than 1 in 1,000 elements")
  func oneRounding() throws {
    let base = try MemoryTensorSource.random([("a.weight", .bf16, [512, 700])], magnitude: 0.05)
    let update = TestUpdate.sum(.product, "a", 512, 700, rank: 16, magnitude: 0.01, seed: 30)
    let folded = try FoldedBase(base, [update])
    let wanted = update.applied(try base.float64(of: 0), 1)
    let differing = zip(try folded.values("a.weight"), wanted).count {
      $0 != Rounding.rounded($1, .bf16)
    }
    #expect(differing * 1000 < wanted.count, "\(differing) of \(wanted.count)")
  }
}
