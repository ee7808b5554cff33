import CKernels
import TestSupport
import Testing

/// Every fold kernel at every dispatch level of this machine against Spec, Folding §3.1 and §3.3.
@Suite struct FoldKernelTests {
  static let rows = 1...9
  static let columns = [1, 15, 16, 17, 31, 32, 33, 100]
  static let ranks = [0, 1, 2, 3, 16]

  /// Folds at all levels and compares bits and figures with the oracle.
  static func check<Kernel: FoldKernel>(
    _ problem: FoldProblem<Kernel>, _ comment: Comment,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var expected = problem
    let figures = expected.foldByTheSpec()
    let bits = expected.weights.map(Kernel.bits)
    var baseline: rl_fold_statistics?
    for level in DispatchLevels.available {
      var folded = problem
      let found = Kernel.fold(level, &folded)
      let where_: Comment = "\(comment), level \(level.rawValue)"
      #expect(folded.weights.map(Kernel.bits) == bits, where_, sourceLocation: sourceLocation)
      #expect(found.unchanged == figures.unchanged, where_, sourceLocation: sourceLocation)
      #expect(found.overflowed == figures.overflowed, where_, sourceLocation: sourceLocation)
      #expect(
        isClose(found.delta_squared, figures.delta_squared), where_, sourceLocation: sourceLocation)
      #expect(
        isClose(found.residual_squared, figures.residual_squared), where_,
        sourceLocation: sourceLocation)
      // All levels add up in one order, so they agree to the bit.
      let first = baseline ?? found
      baseline = first
      #expect(
        isSame(found.delta_squared, first.delta_squared)
          && isSame(found.residual_squared, first.residual_squared), where_,
        sourceLocation: sourceLocation)
    }
  }

  static func isClose(_ found: Double, _ expected: Double) -> Bool {
    isSame(found, expected) || (found - expected).magnitude <= 1e-12 * expected.magnitude
  }

  static func isSame(_ found: Double, _ expected: Double) -> Bool {
    found.bitPattern == expected.bitPattern || found.isNaN && expected.isNaN
  }

  /// Weights around 1 with some zeros, B and A of the sizes that adapters have.
  static func ordinary<Kernel: FoldKernel>(
    _ kernel: Kernel.Type, rows: Int, columns: Int, rank: Int
  ) -> FoldProblem<Kernel> {
    var generator = SeededGenerator(seed: UInt64(rows * 10_000 + columns * 100 + rank))
    let weights = generator.values(rows * columns).enumerated().map { i, x in
      Kernel.narrow(i % 7 == 3 ? 0 : Kernel.Accumulator(x))
    }
    return FoldProblem(
      weights: weights, rows: rows, columns: columns, rank: rank,
      b: generator.values(rows * rank).map { Kernel.Accumulator($0 * 0.01) },
      a: generator.values(rank * columns).map { Kernel.Accumulator($0) })
  }

  @Test(arguments: rows, columns)
  func bf16(rows: Int, columns: Int) {
    for rank in FoldKernelTests.ranks {
      let problem = FoldKernelTests.ordinary(
        FoldBF16.self, rows: rows, columns: columns, rank: rank)
      FoldKernelTests.check(problem, "rank \(rank)")
    }
  }

  @Test(arguments: rows, columns)
  func f16(rows: Int, columns: Int) {
    for rank in FoldKernelTests.ranks {
      let problem = FoldKernelTests.ordinary(FoldF16.self, rows: rows, columns: columns, rank: rank)
      FoldKernelTests.check(problem, "rank \(rank)")
    }
  }

  @Test(arguments: rows, columns)
  func f32(rows: Int, columns: Int) {
    for rank in FoldKernelTests.ranks {
      let problem = FoldKernelTests.ordinary(FoldF32.self, rows: rows, columns: columns, rank: rank)
      FoldKernelTests.check(problem, "rank \(rank)")
    }
  }

  @Test(arguments: rows, columns)
  func f64(rows: Int, columns: Int) {
    for rank in FoldKernelTests.ranks {
      let problem = FoldKernelTests.ordinary(FoldF64.self, rows: rows, columns: columns, rank: rank)
      FoldKernelTests.check(problem, "rank \(rank)")
    }
  }

  /// Wide enough for more than one block of columns.
  @Test(arguments: [511, 512, 513, 1060])
  func wideWeights(columns: Int) {
    for rows in [1, 4, 7] {
      FoldKernelTests.check(
        FoldKernelTests.ordinary(FoldBF16.self, rows: rows, columns: columns, rank: 3), "bf16")
      FoldKernelTests.check(
        FoldKernelTests.ordinary(FoldF16.self, rows: rows, columns: columns, rank: 3), "f16")
      FoldKernelTests.check(
        FoldKernelTests.ordinary(FoldF32.self, rows: rows, columns: columns, rank: 3), "f32")
      FoldKernelTests.check(
        FoldKernelTests.ordinary(FoldF64.self, rows: rows, columns: columns, rank: 3), "f64")
    }
  }

  @Test func noRowsAndNoColumnsTouchNothing() {
    for (rows, columns) in [(0, 33), (5, 0), (0, 0)] {
      FoldKernelTests.check(
        FoldKernelTests.ordinary(FoldBF16.self, rows: rows, columns: columns, rank: 2), "empty")
      FoldKernelTests.check(
        FoldKernelTests.ordinary(FoldF64.self, rows: rows, columns: columns, rank: 2), "empty")
    }
  }
}
