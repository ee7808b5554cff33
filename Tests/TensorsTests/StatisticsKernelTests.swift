import CKernels
import Tensors
import TestSupport
import Testing

/// The statistics kernels at every dispatch level of this machine against Spec, Merging §4.5.
@Suite struct StatisticsKernelTests {
  static let dtypes: [DType] = [.bf16, .f16, .f32, .f64]
  static let columns = [1, 16, 17, 33, 63, 64, 65, 129]

  @Test(arguments: dtypes, columns)
  func sumsAreThoseOfPlainLoops(dtype: DType, columns: Int) {
    for (rows, rank, count) in [
      (1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 4, 3), (9, 5, 4), (31, 7, 1), (32, 8, 2), (33, 9, 1),
      (65, 12, 1), (40, 13, 2), (7, 16, 1), (3, 17, 4),
    ] {
      StatisticsProblem(
        dtype, rows: rows, columns: columns, rank: rank, count: count,
        isSingle: (rows + columns) % 2 == 0
      ).check()
    }
  }

  @Test(arguments: dtypes)
  func everyRank(dtype: DType) {
    for rank in 1...65 {
      for isSingle in [false, true] {
        StatisticsProblem(
          dtype, rows: 33, columns: 17, rank: rank, count: 1 + rank % 4, isSingle: isSingle
        ).check()
      }
    }
  }

  @Test(arguments: dtypes)
  func extremesOfTheStoredType(dtype: DType) {
    // The largest and smallest magnitudes there are, by factors that are as extreme.
    let (least, greatest): (Double, Double) =
      switch dtype {
      case .bf16: (0x1p-133, 0x1.fep+127)
      case .f16: (0x1p-24, 65504)
      case .f32: (0x1p-149, 0x1.fffffep+127)
      default: (0x1p-537, 0x1.fffffep+500)
      }
    for (w, b) in [(least, 0x1p-149), (greatest, 0x1.fffffep+127), (least, 0x1.fffffep+127)] {
      var problem = StatisticsProblem(
        dtype, rows: 35, columns: 66, rank: 9, count: 1, isSingle: true)
      problem.weights = problem.weights.map { $0 < 0 ? -w : w }
      problem.b = problem.b.map { $0 < 0 ? -b : b }
      problem.check()
    }
  }

  @Test(arguments: dtypes, [Double.nan, .infinity, -.infinity])
  func whatIsNotFiniteIsCounted(dtype: DType, value: Double) {
    for positions in [[0], [3 * 70 + 69], [40 * 70 - 1, 5, 777]] {
      var problem = StatisticsProblem(
        dtype, rows: 40, columns: 70, rank: 3, count: 2, isSingle: true)
      for position in positions { problem.weights[position] = value }
      for level in DispatchLevels.available {
        let (sums, _) = problem.run(level)
        #expect(sums.non_finite == UInt64(positions.count))
        #expect(!sums.squared_norm.isFinite)
      }
    }
  }

  @Test func squaresThatOverflowAreNotWeightsThatDo() {
    var problem = StatisticsProblem(.f64, rows: 3, columns: 5, rank: 1, count: 1, isSingle: true)
    problem.weights[7] = 1e200
    for level in DispatchLevels.available {
      let (sums, cross) = problem.run(level)
      #expect(sums.squared_norm == .infinity)
      #expect(sums.non_finite == 0)
      #expect(cross[0].isFinite)
    }
  }

  @Test func factorsThatAreNotFiniteGoThrough() {
    var problem = StatisticsProblem(.bf16, rows: 3, columns: 70, rank: 2, count: 1, isSingle: true)
    problem.b[1] = .nan
    for level in DispatchLevels.available {
      let (sums, cross) = problem.run(level)
      #expect(sums.squared_norm.isFinite && sums.non_finite == 0)
      #expect(cross[0].isNaN)
    }
  }

  @Test func noRowsAndNoColumnsAreZero() {
    for (rows, columns) in [(0, 33), (5, 0), (0, 0)] {
      let problem = StatisticsProblem(
        .bf16, rows: rows, columns: columns, rank: 2, count: 2, isSingle: true)
      for level in DispatchLevels.available {
        let (sums, cross) = problem.run(level)
        #expect(sums.squared_norm == 0 && sums.non_finite == 0 && cross == [0, 0])
      }
    }
  }
}
