import CKernels
import TestSupport
import Testing

/// The store kernels at every dispatch level against conversions by definition.
@Suite struct StoreKernelTests {
  /// One of the dtypes that results are stored in.
  struct Target: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Stores and widens again.
    let store:
      @Sendable (
        _ level: rl_level, _ before: [Double], _ values: [Double]?, _ deltas: [Double]?,
        _ rounding: rl_rounding?, _ figures: inout rl_fold_statistics
      ) -> [Double]
    let nearest: @Sendable (Double) -> Double

    static let all = [
      Target(
        testDescription: "F64",
        store: { run(rl_store_f64, 0.0, $0, $1, $2, $3, $4, &$5) }, nearest: { $0 }),
      Target(
        testDescription: "F32",
        store: { run(rl_store_f32, Float(0), $0, $1, $2, $3, $4, &$5).map(Double.init) },
        nearest: { Double(Float($0)) }),
      Target(
        testDescription: "F16",
        store: {
          run(rl_store_f16, UInt16(0), $0, $1, $2, $3, $4, &$5).map(SixteenBitFormat.f16.value)
        },
        nearest: { x in SixteenBitFormat.f16.nearest(to: x).map(SixteenBitFormat.f16.value) ?? .nan
        }),
      Target(
        testDescription: "BF16",
        store: {
          run(rl_store_bf16, UInt16(0), $0, $1, $2, $3, $4, &$5).map(SixteenBitFormat.bf16.value)
        },
        nearest: { x in
          SixteenBitFormat.bf16.nearest(to: x).map(SixteenBitFormat.bf16.value) ?? .nan
        }),
    ]

    typealias Kernel<Stored> = (
      rl_level, UnsafeMutablePointer<Stored>?, UnsafePointer<Double>?, UnsafePointer<Double>?,
      UnsafePointer<Double>?, Int, UnsafePointer<rl_rounding>?,
      UnsafeMutablePointer<rl_fold_statistics>?
    ) -> Void

    private static func run<Stored>(
      _ kernel: Kernel<Stored>, _ zero: Stored, _ level: rl_level, _ before: [Double],
      _ values: [Double]?, _ deltas: [Double]?, _ rounding: rl_rounding?,
      _ figures: inout rl_fold_statistics
    ) -> [Stored] {
      // One more than is stored, to see that nothing lies beyond.
      var stored = [Stored](repeating: zero, count: before.count)
      withPointer(to: rounding) { rounding in
        if let deltas {
          kernel(level, &stored, before, nil, deltas, before.count, rounding, &figures)
        } else {
          kernel(level, &stored, before, values ?? [], nil, before.count, rounding, &figures)
        }
      }
      return stored
    }
  }

  static func operands(_ count: Int) -> (before: [Double], deltas: [Double]) {
    var generator = SeededGenerator(seed: UInt64(count))
    let special = [0, -0.0, 65504, 3e38, 1e300, 0x1p-14, 0x1p-24, 0x1p-130, 0x1p-1070, .infinity]
    let before = generator.values(count).enumerated().map { i, x in
      i % 3 == 1 ? special[i / 3 % special.count] : x
    }
    let deltas = generator.values(count).enumerated().map { i, x in
      i % 5 == 0 ? 0 : i % 5 == 1 ? x * 1e-5 : i % 5 == 2 ? x * before[i] : x * 0.01
    }
    return (before, deltas.map { $0.isNaN ? 0 : $0 })
  }

  @Test(arguments: Target.all, [0, 1, 7, 8, 9, 16, 100, 1001])
  func nearest(target: Target, count: Int) {
    let (before, deltas) = StoreKernelTests.operands(count)
    let values = zip(before, deltas).map { $0 + $1 }
    for asDeltas in [true, false] {
      // What is asked for as a value has the delta that float64 gives it.
      let delta = asDeltas ? deltas : zip(values, before).map { $0 - $1 }
      var expected = rl_fold_statistics()
      let rounded = values.map(target.nearest)
      for i in 0..<count {
        let residual = (rounded[i] - before[i]) - delta[i]
        expected.delta_squared += delta[i] * delta[i]
        expected.residual_squared += residual * residual
        if delta[i] != 0, rounded[i] == target.nearest(before[i]) { expected.unchanged += 1 }
        if before[i].isFinite, !rounded[i].isFinite { expected.overflowed += 1 }
      }
      for level in DispatchLevels.available {
        var figures = rl_fold_statistics()
        let stored = target.store(
          level, before, asDeltas ? nil : values, asDeltas ? deltas : nil, nil, &figures)
        for i in 0..<count {
          #expect(FoldKernelTests.isSame(stored[i], rounded[i]), "\(values[i])")
        }
        #expect(figures.unchanged == expected.unchanged)
        #expect(figures.overflowed == expected.overflowed)
        #expect(FoldKernelTests.isClose(figures.delta_squared, expected.delta_squared))
        #expect(FoldKernelTests.isClose(figures.residual_squared, expected.residual_squared))
      }
    }
  }

  @Test(arguments: Target.all)
  func stochastic(target: Target) {
    let (before, deltas) = StoreKernelTests.operands(1001)
    let rounding = rl_rounding(key: rl_rounding_key(1, 2), first: 3)
    var figures = rl_fold_statistics()
    let stored = target.store(RL_LEVEL_BASELINE, before, nil, deltas, rounding, &figures)
    for level in DispatchLevels.available {
      var figures = rl_fold_statistics()
      let other = target.store(level, before, nil, deltas, rounding, &figures)
      #expect(zip(stored, other).allSatisfy { FoldKernelTests.isSame($0, $1) })
    }
    for i in before.indices {
      let exact = before[i] + deltas[i]
      let nearest = target.nearest(exact)
      // No stored number lies strictly between.
      let between = target.nearest(stored[i] / 2 + exact / 2)
      #expect(
        stored[i] == nearest || between == nearest || between == stored[i]
          || stored[i].isNaN && exact.isNaN, "\(exact) -> \(stored[i])")
    }
    // A part that begins at an element gives what the whole gave there.
    var part = rl_fold_statistics()
    let later = rl_rounding(key: rounding.key, first: rounding.first + 500)
    let end = target.store(
      rl_best_level(), Array(before[500...]), nil, Array(deltas[500...]), later, &part)
    #expect(zip(stored[500...], end).allSatisfy { FoldKernelTests.isSame($0, $1) })
  }

  /// The mean of what a value is stored as is the value.
  @Test(arguments: Target.all.dropFirst(), [0.7, -3.3, 0x1.5p-20, 0x1.23p-141])
  func theMeanIsExact(target: Target, value: Double) {
    let count = 100_000
    var figures = rl_fold_statistics()
    let values = [Double](repeating: value, count: count)
    let stored = target.store(
      rl_best_level(), values, values, nil, rl_rounding(key: 5, first: 0), &figures)
    let found = Set(stored)
    #expect(found.count <= 2)
    guard let low = found.min(), let high = found.max(), low < high else { return }
    #expect(low < value && value < high)
    let share = (value - low) / (high - low)
    let up = Double(stored.filter { $0 == high }.count)
    let deviation = (Double(count) * share * (1 - share)).squareRoot()
    #expect(abs(up - Double(count) * share) < 5 * deviation)
  }
}
