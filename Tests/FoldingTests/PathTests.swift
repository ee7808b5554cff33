import Adapters
import Folding
import Tensors
import TestSupport
import Testing

/// What holds on every path that a weight can take: kernels, float64, another dtype, block scales.
@Suite struct PathTests {
  /// A base and updates that take all paths.
  private struct All {
    let base: MemoryTensorSource
    let inputs: [FoldInput]

    init() throws {
      let f8 = try BlockScaleTests.base(.init(rows: 300, columns: 260))
      let plain = try MemoryTensorSource.random([
        ("p16.weight", .bf16, [700, 1030]), ("p32.weight", .f32, [300, 1030]),
        ("h.weight", .f16, [700, 1030]), ("d.weight", .bf16, [400, 1030]),
        ("c.weight", .bf16, [400, 1030]), ("r.weight", .f32, [400, 1030]),
        ("e.weight", .bf16, [3, 200, 1030]), ("ids", .i32, [1_200_001]),
      ])
      base = MemoryTensorSource(
        label: "base",
        tensors: try [f8, plain].flatMap { source in
          try source.tensors.indices.map { (source.tensors[$0], try source.bytes(of: $0)) }
        })
      let updates = try [
        TestUpdate.sum(.product, "a", 300, 260), .sum(.product, "p16", 700, 1030),
        .sum(.product, "p32", 300, 1030), .sum(.hadamard, "h", 700, 1030),
        .rescaled("d", 400, 1030, per: .row), .rescaled("c", 400, 1030, per: .column),
        .replaced("r.weight", [400, 1030]),
        .sum(.product, "e", 200, 1030, shape: [3, 200, 1030], expert: 2),
      ]
      let more = TestUpdate.sum(.product, "p16", 700, 1030, seed: 90)
      inputs = [
        FoldInput(label: "x", updates: updates.map(\.update)),
        FoldInput(label: "y", updates: [more.update], weight: 0.3),
      ]
    }

    func fold(
      _ dtype: DType?, threads: Int, _ verification: Fold.Verification
    ) throws -> FoldedBase {
      try FoldedBase(
        base, inputs, FoldSettings(dtype: dtype), threads: threads, verification: verification)
    }
  }

  @Test(
    "1, 2 and 5 threads give the same bytes and figures",
    arguments: [nil, DType.bf16, .f32])
  func threads(_ dtype: DType?) throws {
    let all = try All()
    let one = try all.fold(dtype, threads: 1, .sample)
    for (threads, verification) in [(2, Fold.Verification.sample), (5, .full)] {
      let other = try all.fold(dtype, threads: threads, verification)
      #expect(one.allBytes == other.allBytes, "\(threads)")
      for (left, right) in zip(one.report.blocks, other.report.blocks) {
        #expect(left.deltaNorm == right.deltaNorm)
        #expect(left.realisedError == right.realisedError)
        #expect(left.unchangedShare == right.unchangedShare)
      }
    }
  }

  @Test("a change observer sees exactly what changes, once")
  func changes() throws {
    let all = try All()
    let plan = try FoldPlan(base: all.base, inputs: all.inputs, settings: FoldSettings())
    let seen = SeenChanges(all.base.tensors)
    let sink = MemorySink(plan.tensors)
    let fold = Fold(threads: 3) { seen.add($0, $1, $2, $3) }
    _ = try fold.run(plan, into: sink)
    for (index, info) in all.base.tensors.enumerated() {
      let (old, new) = (try all.base.bytes(of: index), sink.bytes(of: index))
      let (before, after, counts) = seen[index]
      #expect(counts.allSatisfy { $0 < 2 }, "\(info.name): at most once")
      for position in old.indices where counts[position] == 1 {
        guard old[position] == before[position], new[position] == after[position] else {
          Issue.record("\(info.name): byte \(position) was told wrongly")
          break
        }
      }
      let isQuiet = old.indices.allSatisfy { counts[$0] == 1 || old[$0] == new[$0] }
      #expect(isQuiet, "\(info.name): all changes are told")
    }
  }

  // MARK: Refusals

  private func source(_ dtype: DType, _ values: [Double], _ shape: [Int]) throws
    -> MemoryTensorSource
  {
    MemoryTensorSource(
      label: "base",
      tensors: [
        (
          try TensorInfo(name: "a.weight", dtype: dtype, shape: shape),
          Conversion.bytes(from: values, dtype: dtype)
        )
      ])
  }

  @Test(
    "a NaN or an infinity in a weight is refused by name unless allowed",
    arguments: UpdateKindTests.kinds, [nil, DType.f32])
  func nonFinite(_ kind: String, _ dtype: DType?) throws {
    for value in [Double.nan, -.infinity] {
      var values = [Double](repeating: 1, count: 24)
      values[8] = value
      let base = try source(.bf16, values, [4, 6])
      let update = try UpdateKindTests.update(kind, 4, 6)
      #expect(throws: FoldError.nonFinite(base: "base", weights: ["a.weight"])) {
        try FoldedBase(base, [update], dtype: dtype)
      }
      let folded = try FoldedBase(base, [update], dtype: dtype, allowsNonFinite: true)
      let found = try folded.values("a.weight")
      #expect(!found[8].isFinite)
      #expect(found[0].isFinite)
    }
  }

  @Test("a replacement that is not finite is refused; one for a weight that was not, is not")
  func replacement() throws {
    func replacing(_ values: [Double]) throws -> TestUpdate {
      let new = try source(.f32, values, [1, 2])
      let update = WeightUpdate(
        module: "a.weight", parameter: .itself, shape: [1, 2],
        action: .replace(TensorReference(source: new, index: 0)), kind: "saved",
        loadedElements: 0)
      return TestUpdate(update: update) { _, _ in values }
    }
    #expect(throws: FoldError.nonFinite(base: "base", weights: ["a.weight"])) {
      try FoldedBase(source(.bf16, [1, 2], [1, 2]), [replacing([1, .nan])])
    }
    let folded = try FoldedBase(source(.bf16, [.nan, .infinity], [1, 2]), [replacing([1, 2])])
    #expect(try folded.values("a.weight") == [1, 2])
    #expect(try folded.figures("a.weight").realisedError.isFinite)
  }

  @Test("a row of zeros that DoRA is to rescale is refused")
  func zeroNorm() throws {
    let base = try source(.f32, [Double](repeating: 0, count: 24), [4, 6])
    let update = WeightUpdate(
      module: "a", shape: [4, 6],
      action: .rescale(
        { _ in .dense(Matrix(rows: 4, columns: 6)) }, magnitude: { [1, 1, 1, 1] }, per: .row),
      kind: "DoRA", loadedElements: 0)
    #expect(throws: FoldError.nonFinite(base: "base", weights: ["a.weight"])) {
      try FoldedBase(base, [FoldInput(label: "x", updates: [update])])
    }
  }

  @Test(
    "overflow is counted and refused, unless allowed or the dtype is wide enough",
    arguments: ["product", "dense", "replaced"])
  func overflow(_ kind: String) throws {
    let base = try source(.f16, [65504, -65504, 1], [1, 3])
    let values = [100.0, -100, 1]
    let action: WeightUpdate.Action =
      switch kind {
      case "product":
        .add { _ in
          .product(
            PlainFactors(
              a: Matrix(rows: 1, columns: 3, values: values),
              b: Matrix(rows: 1, columns: 1, values: [1])))
        }
      case "dense": .add { _ in .dense(Matrix(rows: 1, columns: 3, values: values)) }
      default:
        .replace(
          TensorReference(source: try source(.f32, [1e6, -1e6, 2], [1, 3]), index: 0))
      }
    let inputs = [
      FoldInput(
        label: "x",
        updates: [
          WeightUpdate(
            module: "a", shape: [1, 3], action: action, kind: kind, loadedElements: 3,
            isProduct: kind == "product")
        ])
    ]
    #expect(
      throws: FoldError.overflow(base: "base", weights: ["a.weight"], elements: 2, dtype: .f16)
    ) { try FoldedBase(base, inputs) }
    let folded = try FoldedBase(base, inputs, allowsNonFinite: true)
    #expect(try folded.values("a.weight") == [.infinity, -.infinity, 2])
    #expect(throws: Never.self) { try FoldedBase(base, inputs, FoldSettings(dtype: .bf16)) }
  }
}
