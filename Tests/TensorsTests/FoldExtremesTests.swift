import CKernels
import TestSupport
import Testing

/// Folds at the edges of the stored types.
@Suite struct FoldExtremesTests {
  /// Largest values of the stored type, smallest, infinities and NaN, each met by every delta.
  static func problem<Kernel: FoldKernel>(
    _ kernel: Kernel.Type, weights: [Kernel.Stored], deltas: [Kernel.Accumulator]
  ) -> FoldProblem<Kernel> {
    FoldProblem(
      weights: weights.flatMap { [Kernel.Stored](repeating: $0, count: deltas.count) },
      rows: weights.count, columns: deltas.count, rank: 1,
      b: [Kernel.Accumulator](repeating: 1, count: weights.count), a: deltas)
  }

  @Test func f16AtTheEdgeOfOverflow() {
    // 65504 is the largest; 16 more is the midpoint to 65536 and goes to infinity.
    let problem = FoldExtremesTests.problem(
      FoldF16.self,
      weights: [0x7bff, 0xfbff, 0x7bfe, 0, 0x8000, 1, 0x8001, 0x03ff, 0x0400],
      deltas: [
        0, 15.99, 16, -15.99, -16, 65519, 65520, 1e30, -1e30, 0x1p-24, 0x1p-25, -0x1p-25,
        0x1.8p-25, 0x1p-140, -0x1p-149, .greatestFiniteMagnitude,
      ])
    FoldKernelTests.check(problem, "f16")
    var folded = problem
    let figures = FoldF16.fold(RL_LEVEL_BASELINE, &folded)
    #expect(Array(folded.weights[0..<3]) == [0x7bff, 0x7bff, 0x7c00])
    #expect(figures.overflowed > 0)
    #expect(figures.unchanged > 0)
  }

  @Test func bf16AtTheEdgeOfOverflow() {
    // The largest is 0x1.fep127; a further 2^119 is the midpoint to infinity.
    let problem = FoldExtremesTests.problem(
      FoldBF16.self,
      weights: [0x7f7f, 0xff7f, 0x7f7e, 0, 0x8000, 1, 0x8001, 0x007f, 0x0080],
      deltas: [
        0, 0x1.fcp118, 0x1p119, 0x1p120, -0x1p119, -0x1p120, 0x1.ffp127, 1e20,
        1e-23, 0x1p-133, 0x1p-134, -0x1p-134, 0x1.8p-134, -0x1p-149, 0x1p-126,
        .greatestFiniteMagnitude,
      ])
    FoldKernelTests.check(problem, "bf16")
    var folded = problem
    _ = FoldBF16.fold(RL_LEVEL_BASELINE, &folded)
    #expect(Array(folded.weights[0..<3]) == [0x7f7f, 0x7f7f, 0x7f80])
  }

  @Test func f32AndF64AtTheEdgeOfOverflow() {
    let deltas: [Double] = [
      0, 0x1p102, 0x1p103, -0x1p103, 1e300, -1e300, 0x1p-150, 0x1.8p-150, .leastNonzeroMagnitude,
      -0x1p-1074,
      .greatestFiniteMagnitude,
    ]
    let singles: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0, -0.0, 0x1p-149]
    FoldKernelTests.check(
      FoldExtremesTests.problem(FoldF32.self, weights: singles, deltas: deltas), "f32")
    FoldKernelTests.check(
      FoldExtremesTests.problem(
        FoldF64.self, weights: singles.map(Double.init) + [.greatestFiniteMagnitude],
        deltas: deltas), "f64")
  }

  /// What was not finite before never counts as overflowed.
  @Test func nonFiniteWeightsStaySo() {
    let deltas: [Float] = [0, 1, -1, .infinity, -.infinity, .nan]
    FoldKernelTests.check(
      FoldExtremesTests.problem(
        FoldF16.self, weights: [0x7c00, 0xfc00, 0x7e00, 0xfd01, 0x3c00], deltas: deltas), "f16")
    FoldKernelTests.check(
      FoldExtremesTests.problem(
        FoldBF16.self, weights: [0x7f80, 0xff80, 0x7fc0, 0xff81, 0x3f80], deltas: deltas), "bf16")
    let wide = deltas.map(Double.init)
    FoldKernelTests.check(
      FoldExtremesTests.problem(
        FoldF32.self, weights: [.infinity, -.infinity, .nan, 1], deltas: wide), "f32")
    FoldKernelTests.check(
      FoldExtremesTests.problem(
        FoldF64.self, weights: [.infinity, -.infinity, .nan, 1], deltas: wide), "f64")
  }

  /// Deltas whose squares leave float32's range are still measured: the sums are float64.
  @Test(arguments: DispatchLevels.available.map(\.rawValue))
  func figuresOf16BitWeightsAreFloat64(level: UInt32) {
    for delta in [Float(0x1p-90), 0x1p90] {
      var problem = FoldExtremesTests.problem(FoldBF16.self, weights: [0], deltas: [delta])
      let figures = FoldBF16.fold(rl_level(rawValue: level), &problem)
      #expect(figures.delta_squared == Double(delta) * Double(delta))
      #expect(figures.residual_squared == 0)
    }
  }

  /// A fused multiply-add would keep the product's low bits and leave a difference.
  @Test(arguments: DispatchLevels.available.map(\.rawValue))
  func productsAreRoundedBeforeTheyAreAdded(level: UInt32) {
    let x = 1 + 0x1p-12 as Float
    var single = FoldProblem<FoldBF16>(
      weights: [0], rows: 1, columns: 1, rank: 2, b: [-1, x], a: [x * x, x])
    _ = FoldBF16.fold(rl_level(rawValue: level), &single)
    #expect(single.weights == [0])
    let y = 1 + 0x1p-30
    var double = FoldProblem<FoldF64>(
      weights: [0], rows: 1, columns: 1, rank: 2, b: [-1, y], a: [y * y, y])
    _ = FoldF64.fold(rl_level(rawValue: level), &double)
    #expect(double.weights == [0])
  }

  /// 2^24 + 1 + 1 in float32 is 2^24 from the left and 2^24 + 2 from the right.
  @Test(arguments: DispatchLevels.available.map(\.rawValue))
  func productsAreAddedInOrder(level: UInt32) {
    for (b, expected) in [([0x1p24, 1, 1, -0x1p24], 0.0), ([1, 1, 0x1p24, -0x1p24], 2.0)] {
      var problem = FoldProblem<FoldF16>(
        weights: [0], rows: 1, columns: 1, rank: 4, b: b.map { Float($0) }, a: [1, 1, 1, 1])
      _ = FoldF16.fold(rl_level(rawValue: level), &problem)
      #expect(SixteenBitFormat.f16.value(of: problem.weights[0]) == expected)
    }
  }

  @Test func figuresAreAddedToThoseOfEarlierCalls() {
    let problem = FoldKernelTests.ordinary(FoldF64.self, rows: 5, columns: 20, rank: 2)
    var weights = problem.weights
    var figures = rl_fold_statistics(
      delta_squared: 1000, residual_squared: 2000, unchanged: 7, overflowed: 9)
    rl_fold_f64(
      rl_best_level(), &weights, 5, 20, problem.b, problem.packed, 2, nil, &figures)
    #expect(figures.delta_squared > 1000 && figures.delta_squared < 1001)
    #expect(figures.residual_squared >= 2000 && figures.residual_squared < 2001)
    #expect(figures.unchanged == 7)
    #expect(figures.overflowed == 9)
  }
}
