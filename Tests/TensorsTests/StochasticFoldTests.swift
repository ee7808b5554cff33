import CKernels
import TestSupport
import Testing

/// Folds that round stochastically: between the right neighbours, unbiased, and the same for every
/// way of cutting the work.
@Suite struct StochasticFoldTests {
  static let rounding = rl_rounding(key: rl_rounding_key(42, 7), first: 1000)

  /// Checks that every element is the stored number just below or just above the exact value.
  static func checkNeighbours<Kernel: FoldKernel>(
    _ problem: FoldProblem<Kernel>, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var folded = problem
    folded.rounding = rounding
    let first = Kernel.fold(RL_LEVEL_BASELINE, &folded)
    let bits = folded.weights.map(Kernel.bits)
    for level in DispatchLevels.available.dropFirst() {
      var other = problem
      other.rounding = rounding
      let figures = Kernel.fold(level, &other)
      #expect(other.weights.map(Kernel.bits) == bits, sourceLocation: sourceLocation)
      #expect(
        FoldKernelTests.isSame(figures.delta_squared, first.delta_squared)
          && FoldKernelTests.isSame(figures.residual_squared, first.residual_squared)
          && figures.unchanged == first.unchanged && figures.overflowed == first.overflowed,
        sourceLocation: sourceLocation)
    }
    for i in 0..<problem.rows {
      for c in 0..<problem.columns {
        var t: Kernel.Accumulator = 0
        for j in 0..<problem.rank {
          t += problem.b[i * problem.rank + j] * problem.a[j * problem.columns + c]
        }
        let exact = Kernel.widen(problem.weights[i * problem.columns + c]) + t
        let found = Kernel.widen(folded.weights[i * problem.columns + c])
        let nearest = Kernel.widen(Kernel.narrow(exact))
        // Between an exact value and what it was rounded to there is no other stored number.
        let between = Kernel.widen(Kernel.narrow((exact + found) / 2))
        #expect(
          found == nearest || found == exact || between == nearest || between == found
            || found.isNaN && exact.isNaN,
          "\(exact) -> \(found)", sourceLocation: sourceLocation)
        #expect(
          abs(found - exact) <= 2 * gap(Kernel.self, exact) || !nearest.isFinite,
          "\(exact) -> \(found)", sourceLocation: sourceLocation)
      }
    }
  }

  /// The distance to the nearest stored number in the other direction bounds that of neighbours.
  private static func gap<Kernel: FoldKernel>(
    _ kernel: Kernel.Type, _ exact: Kernel.Accumulator
  ) -> Kernel.Accumulator {
    let nearest = Kernel.widen(Kernel.narrow(exact))
    let scale: Kernel.Accumulator = Kernel.self == FoldF32.self ? 0x1p-23 : 0x1p-7
    let least: Kernel.Accumulator = Kernel.self == FoldF16.self ? 0x1p-24 : 0x1p-133
    return max(abs(nearest) * scale, least)
  }

  @Test(arguments: [1, 4, 7], [1, 16, 33, 100])
  func neighbours(rows: Int, columns: Int) {
    StochasticFoldTests.checkNeighbours(
      FoldKernelTests.ordinary(FoldBF16.self, rows: rows, columns: columns, rank: 3))
    StochasticFoldTests.checkNeighbours(
      FoldKernelTests.ordinary(FoldF16.self, rows: rows, columns: columns, rank: 3))
    StochasticFoldTests.checkNeighbours(
      FoldKernelTests.ordinary(FoldF32.self, rows: rows, columns: columns, rank: 3))
  }

  @Test func subnormalsExtremesAndWhatIsNoNumber() {
    func check<Kernel: FoldKernel>(
      _ kernel: Kernel.Type, _ weights: [Kernel.Accumulator], _ deltas: [Kernel.Accumulator]
    ) {
      StochasticFoldTests.checkNeighbours(
        FoldExtremesTests.problem(kernel, weights: weights.map(kernel.narrow), deltas: deltas))
    }
    check(
      FoldF16.self, [0, 0x1p-24, -0x1p-24, 0x1p-14, 65504, -65504, .infinity, .nan],
      [0, 0x1p-25, 0x1.8p-26, -0x1.234p-20, 0x1p-140, 15.5, 16, 40, 1e30, -1e30])
    check(
      FoldBF16.self, [0, 0x1p-133, -0x1p-133, 0x1p-126, 0x1.fep127, .infinity, .nan],
      [0, 0x1p-134, 0x1.8p-140, -0x1.234p-128, 0x1p119, 0x1p120])
    check(
      FoldF32.self, [0, 0x1p-149, -0x1p-149, 0x1p-126, 0x1.fffffep127, .infinity, .nan],
      [0, 0x1p-150, 0x1.8p-160, -0x1.234p-130, 0x1p-1074, 0x1p102, 0x1p104])
  }

  /// The result of an element depends on its index only.
  @Test func rowsOnTheirOwnGiveTheSame() {
    var whole = FoldKernelTests.ordinary(FoldBF16.self, rows: 9, columns: 600, rank: 3)
    let problem = whole
    whole.rounding = StochasticFoldTests.rounding
    _ = FoldBF16.fold(rl_best_level(), &whole)
    for row in 0..<9 {
      var part = FoldProblem<FoldBF16>(
        weights: Array(problem.weights[(row * 600)..<((row + 1) * 600)]), rows: 1, columns: 600,
        rank: 3, b: Array(problem.b[(row * 3)..<(row * 3 + 3)]), a: problem.a)
      part.rounding = rl_rounding(
        key: StochasticFoldTests.rounding.key, first: 1000 + UInt64(row) * 600)
      _ = FoldBF16.fold(rl_best_level(), &part)
      #expect(part.weights == Array(whole.weights[(row * 600)..<((row + 1) * 600)]))
    }
  }

  /// A share of a unit in the last place is met by that share of the elements, in normal and
  /// subnormal numbers.
  @Test(arguments: [0.03125, 0.3, 0.5, 0.9])
  func theMeanIsExact(share: Double) {
    func check<Kernel: FoldKernel>(
      _ kernel: Kernel.Type, _ weight: Kernel.Accumulator, unit: Kernel.Accumulator
    ) {
      let (rows, columns) = (100, 1000)
      var problem = FoldProblem<Kernel>(
        weights: [Kernel.Stored](repeating: Kernel.narrow(weight), count: rows * columns),
        rows: rows, columns: columns, rank: 1,
        b: [Kernel.Accumulator](repeating: 1, count: rows),
        a: [Kernel.Accumulator](repeating: Kernel.Accumulator(share) * unit, count: columns))
      problem.rounding = StochasticFoldTests.rounding
      _ = Kernel.fold(rl_best_level(), &problem)
      let up = problem.weights.filter { Kernel.widen($0) != weight }.count
      let count = Double(rows * columns)
      let deviation = (count * share * (1 - share)).squareRoot()
      #expect(abs(Double(up) - count * share) < 5 * deviation, "\(Kernel.self) at \(weight)")
    }
    check(FoldBF16.self, 1, unit: 0x1p-7)
    check(FoldBF16.self, -1.5, unit: 0x1p-7)
    check(FoldBF16.self, 0x1p-130, unit: 0x1p-133)
    check(FoldF16.self, 1, unit: 0x1p-10)
    check(FoldF16.self, 0x1p-20, unit: 0x1p-24)
    check(FoldF32.self, 1, unit: 0x1p-23)
    check(FoldF32.self, 0x1p-140, unit: 0x1p-149)
  }

  @Test func keysAreThoseOfSplitMix64() {
    // The first outputs of SplitMix64 from state 1234567, as its authors publish them.
    let published: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
    ]
    #expect((0..<3).map { rl_rounding_key(1_234_567, $0) } == published)
  }
}
