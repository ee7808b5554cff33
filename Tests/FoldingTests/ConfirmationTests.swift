import Adapters
import CKernels
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Folding

/// The second computation that folded rows are checked by (Folding §5.2): it finds any element that
/// the first got wrong.
@Suite struct ConfirmationTests {
  private static let arithmetic: [DType] = [.f64, .f32, .bf16, .f16]

  /// A plan of one weight with one update, and the weight's values before and after by the oracle.
  private struct Problem {
    let plan: FoldPlan
    let loaded: LoadedPart
    let before: [Double]
    let stored: [UInt8]
    let rows = 9
    let columns = 37

    init(_ kind: String, _ dtype: DType) throws {
      let base = try MemoryTensorSource.random([("a.weight", dtype, [rows, columns])])
      let update = try UpdateKindTests.update(kind, rows, columns)
      plan = try FoldPlan(
        base: base, inputs: [FoldInput(label: "x", updates: [update.update])],
        settings: FoldSettings())
      loaded = try LoadedPart(plan, 0, allowsNonFinite: false)
      before = try base.float64(of: 0)
      stored = Conversion.bytes(from: update.applied(before, 1), dtype: dtype)
    }

    /// Checks a row by the way that its path goes.
    func confirm(_ row: Int, _ stored: [UInt8], _ dtype: DType) throws {
      let range = (row * columns)..<((row + 1) * columns)
      try stored.withUnsafeBytes { stored in
        if case .product(_, let exact) = loaded.operation {
          let width = dtype.bitWidth / 8
          let old = Conversion.bytes(from: Array(before[range]), dtype: dtype)
          var sample = FoldSample()
          old.withUnsafeBytes { sample.keep(row, $0, columns: columns, dtype) }
          let line = (range.lowerBound * width)..<(range.upperBound * width)
          for level in levels {
            try sample.confirm(
              UnsafeRawBufferPointer(rebasing: stored[line]), dtype, exact, level, .nearest,
              "a.weight")
          }
        } else {
          try loaded.confirm(
            row: row, before: Array(before[range]), stored: stored, range, dtype, .nearest,
            "a.weight")
        }
      }
    }

    private var levels: [rl_level] {
      (RL_LEVEL_BASELINE.rawValue...rl_best_level().rawValue).map { rl_level(rawValue: $0) }
    }
  }

  @Test(
    "right rows pass, and one element that is off is found with its place",
    arguments: UpdateKindTests.kinds + ["replaced"], arithmetic)
  func wrongElement(_ kind: String, _ dtype: DType) throws {
    let problem = try Problem(kind, dtype)
    let width = dtype.bitWidth / 8
    for row in 0..<problem.rows {
      try problem.confirm(row, problem.stored, dtype)
      let column = row * 4 % problem.columns
      var wrong = problem.stored
      // Four units in the last place; of float64 more, whose sums have errors of their own.
      let place = (row * problem.columns + column) * width + (dtype == .f64 ? 2 : 0)
      wrong[place] ^= 4
      let error = #expect(throws: FoldError.self) { try problem.confirm(row, wrong, dtype) }
      guard case .unconfirmed("a.weight", row, column, _, _) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  @Test("a delta of the wrong sign, scale or order is found in any row", arguments: arithmetic)
  func wrongOperands(_ dtype: DType) throws {
    let problem = try Problem("product", dtype)
    guard case .product(_, let exact) = problem.loaded.operation else {
      Issue.record("a product goes by the kernels")
      return
    }
    let wrong = [
      PlainFactors(a: exact.a, b: exact.b.scaled(by: -1)),
      PlainFactors(a: exact.a, b: exact.b.scaled(by: 1.25)),
      PlainFactors(a: exact.a.scaled(by: 0), b: exact.b),
    ]
    for factors in wrong {
      let operands = FoldOperands(
        factors, accumulatingInSingle: dtype == .bf16 || dtype == .f16)
      var bytes = Conversion.bytes(from: problem.before, dtype: dtype)
      _ = bytes.withUnsafeMutableBytes {
        FoldKernel.run(
          rl_best_level(), $0, dtype, columns: problem.columns, 0..<problem.rows, operands, nil)
      }
      for row in 0..<problem.rows {
        #expect(throws: FoldError.self) { try problem.confirm(row, bytes, dtype) }
      }
    }
  }

  @Test("every dispatch level gives the same bits through either path", arguments: arithmetic)
  func levels(_ dtype: DType) throws {
    let (rows, columns) = (23, 1041)
    let base = try MemoryTensorSource.random([("a.weight", dtype, [rows, columns])])
    let update = TestUpdate.sum(.product, "a", rows, columns, rank: 7)
    let plan = try FoldPlan(
      base: base, inputs: [FoldInput(label: "x", updates: [update.update])],
      settings: FoldSettings())
    let loaded = try LoadedPart(plan, 0, allowsNonFinite: false)
    guard case .product(let operands, _) = loaded.operation else {
      Issue.record("a product goes by the kernels")
      return
    }
    let before = try base.float64(of: 0)
    var after = before
    try loaded.apply(rows: 0..<rows, columns: columns, to: &after)
    let results = try (RL_LEVEL_BASELINE.rawValue...rl_best_level().rawValue).map { raw in
      let level = rl_level(rawValue: raw)
      var quick = try base.bytes(of: 0)
      let figures = quick.withUnsafeMutableBytes {
        FoldKernel.run(level, $0, dtype, columns: columns, 0..<rows, operands, nil)
      }
      var generic = quick
      let other = generic.withUnsafeMutableBytes {
        FoldKernel.store(level, $0, dtype, before: before, after, nil)
      }
      return (
        quick + generic,
        [figures, other].flatMap { [$0.deltaSquared, $0.residualSquared, Double($0.unchanged)] }
      )
    }
    for result in results {
      #expect(result.0 == results[0].0)
      #expect(result.1 == results[0].1)
    }
  }

  // MARK: In a fold

  /// A tensor that reads differently the second time that a byte of it is read.
  private final class FickleSource: TensorSource {
    let label = "fickle"
    let tensors: [TensorInfo]
    let row: Int
    private let reads = Mutex<[Int: Int]>([:])

    init(_ info: TensorInfo, row: Int) {
      tensors = [info]
      self.row = row
    }

    func index(of name: TensorName) -> Int? { 0 }

    func read(
      tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws {
      let rowBytes = tensors[0].shape[1] * 4
      let values = buffer.bindMemory(to: Float.self)
      for position in values.indices {
        let own = (byteOffset + position * 4) / rowBytes
        let count = reads.withLock { reads in
          reads[byteOffset + position * 4, default: 0] += 1
          return reads[byteOffset + position * 4, default: 0]
        }
        values[position] = own == row && count > 1 ? 2 : 1
      }
    }
  }

  @Test(
    "a sample finds a wrong row that it looks at, a full verification finds any",
    arguments: [(0, true), (3, false)])
  func fickle(_ row: Int, _ isSampled: Bool) throws {
    let base = try MemoryTensorSource.random([("a.weight", .f32, [6, 5])])
    let info = try TensorInfo(name: "a.weight", dtype: .f32, shape: [6, 5])
    func fold(_ verification: Fold.Verification) throws {
      let update = WeightUpdate(
        module: "a", shape: [6, 5],
        action: .replace(TensorReference(source: FickleSource(info, row: row), index: 0)),
        kind: "saved", loadedElements: 0)
      _ = try FoldedBase(
        base, [FoldInput(label: "x", updates: [update])], verification: verification)
    }
    let error = FoldError.unconfirmed(
      output: "a.weight", row: row, column: 0, found: 1, expected: 2)
    #expect(throws: error) { try fold(.full) }
    if isSampled {
      #expect(throws: error) { try fold(.sample) }
    } else {
      #expect(throws: Never.self) { try fold(.sample) }
    }
  }

  @Test(
    "a byte that the disk changes is found on every path",
    arguments: UpdateKindTests.kinds + ["replaced"])
  func damage(_ kind: String) throws {
    let base = try MemoryTensorSource.random([("a.weight", .bf16, [60, 33])])
    let update = try UpdateKindTests.update(kind, 60, 33)
    for dtype in [nil, DType.f32] {
      let plan = try FoldPlan(
        base: base, inputs: [FoldInput(label: "x", updates: [update.update])],
        settings: FoldSettings(dtype: dtype))
      for byte in [0, 3959] {
        let sink = MemorySink(plan.tensors, lie: (0, byte))
        let error = #expect(throws: FoldError.self) { try Fold(threads: 2).run(plan, into: sink) }
        guard case .damaged("a.weight", _) = error else {
          Issue.record("\(String(describing: error))")
          continue
        }
      }
    }
  }

  @Test("a byte that the disk changes is found in 8-bit weights and their scales")
  func damagedBlocks() throws {
    let base = try BlockScaleTests.base(.init(rows: 130, columns: 140))
    let update = TestUpdate.sum(.product, "a", 130, 140)
    let plan = try FoldPlan(
      base: base, inputs: [FoldInput(label: "x", updates: [update.update])],
      settings: FoldSettings())
    for (tensor, name) in [(0, "a.weight"), (1, "a.weight_scale_inv")] as [(Int, TensorName)] {
      let sink = MemorySink(plan.tensors, lie: (tensor, 9))
      let error = #expect(throws: FoldError.self) { try Fold(threads: 1).run(plan, into: sink) }
      guard case .damaged(name, _) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }
}
