import CKernels
import Tensors
import TestSupport
import Testing

/// The operands of one call of a statistics kernel, in float64.
struct StatisticsProblem {
  let dtype: DType
  let rows: Int
  let columns: Int
  let rank: Int
  let count: Int
  /// Values that the dtype holds.
  var weights: [Double]
  /// Of `rows` x `rank`.
  var b: [Double]
  /// `count` times `rank` x `columns`, without padding.
  let a: [Double]

  /// Random values; `b` of 24 bits, as float32 has them, or of 53.
  init(_ dtype: DType, rows: Int, columns: Int, rank: Int, count: Int, isSingle: Bool) {
    var generator = SeededGenerator(
      seed: UInt64(rows * 1_000_000 + columns * 1000 + rank * 10 + count))
    self.dtype = dtype
    self.rows = rows
    self.columns = columns
    self.rank = rank
    self.count = count
    weights = Conversion.bytes(from: generator.values(rows * columns), dtype: dtype)
      .withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
    b = generator.values(rows * rank).map { isSingle ? Double(Float($0)) : $0 }
    a = generator.values(count * rank * columns)
  }

  var stride: Int { (columns + Int(RL_PANEL) - 1) / Int(RL_PANEL) * Int(RL_PANEL) }

  /// Calls the kernel at a dispatch level.
  func run(_ level: rl_level) -> (sums: rl_weight_sums, cross: [Double]) {
    var padded = [Double](repeating: 0, count: count * rank * stride)
    for line in 0..<(count * rank) {
      for c in 0..<columns { padded[line * stride + c] = a[line * columns + c] }
    }
    var scratch = [Double](repeating: .nan, count: max(1, rank * Int(RL_STATISTICS_COLUMNS)))
    var cross = [Double](repeating: .nan, count: count)
    var sums = rl_weight_sums(squared_norm: .nan, non_finite: 99)
    let bytes = Conversion.bytes(from: weights, dtype: dtype)
    bytes.withUnsafeBytes { raw in
      switch dtype {
      case .bf16:
        rl_weight_statistics_bf16(
          level, raw.baseAddress?.assumingMemoryBound(to: UInt16.self), rows, columns, b, padded,
          count, rank, stride, &scratch, &cross, &sums)
      case .f16:
        rl_weight_statistics_f16(
          level, raw.baseAddress?.assumingMemoryBound(to: UInt16.self), rows, columns, b, padded,
          count, rank, stride, &scratch, &cross, &sums)
      case .f32:
        rl_weight_statistics_f32(
          level, raw.baseAddress?.assumingMemoryBound(to: Float.self), rows, columns, b, padded,
          count, rank, stride, &scratch, &cross, &sums)
      default:
        rl_weight_statistics_f64(
          level, raw.baseAddress?.assumingMemoryBound(to: Double.self), rows, columns, b, padded,
          count, rank, stride, &scratch, &cross, &sums)
      }
    }
    return (sums, cross)
  }

  /// Compares all levels with plain loops to rounding, and with the documented order to the bit.
  func check(sourceLocation: SourceLocation = #_sourceLocation) {
    let (squared, cross) = inOrder()
    let plain = inPlainLoops()
    let words: Comment = "\(dtype) \(rows) x \(columns), rank \(rank), \(count) factors"
    func isClose(_ found: Double, _ expected: (sum: Double, size: Double)) -> Bool {
      (found - expected.sum).magnitude <= 1e-14 * Double(rank + 1) * expected.size
    }
    #expect(isClose(squared, plain.squared), words, sourceLocation: sourceLocation)
    #expect(
      zip(cross, plain.cross).allSatisfy { isClose($0, $1) }, words,
      sourceLocation: sourceLocation)
    for level in DispatchLevels.available {
      let found = run(level)
      #expect(
        found.sums.squared_norm.bitPattern == squared.bitPattern
          && found.cross.map(\.bitPattern) == cross.map(\.bitPattern)
          && found.sums.non_finite == 0,
        "\(words), level \(level.rawValue)", sourceLocation: sourceLocation)
    }
  }

  /// `Σ w²` and `Σ w · (b a_k)`, each with the sum of its terms' magnitudes.
  private func inPlainLoops() -> (
    squared: (sum: Double, size: Double), cross: [(sum: Double, size: Double)]
  ) {
    let squared = weights.reduce(0) { $0 + $1 * $1 }
    let cross = (0..<count).map { k in
      var (sum, size) = (0.0, 0.0)
      for r in 0..<rows {
        for c in 0..<columns {
          for j in 0..<rank {
            let term =
              weights[r * columns + c] * (b[r * rank + j] * a[(k * rank + j) * columns + c])
            sum += term
            size += term.magnitude
          }
        }
      }
      return (sum: sum, size: size)
    }
    return ((squared, squared), cross)
  }

  /// The same in the kernel's order: 64 columns at a time; in each, rows one after the other, then
  /// the eight vectors of a line, then their eight lanes.
  private func inOrder() -> (squared: Double, cross: [Double]) {
    func total(_ columns: [Double]) -> Double {
      var lanes = Array(columns[..<8])
      for v in 1..<8 {
        for l in 0..<8 { lanes[l] += columns[v * 8 + l] }
      }
      return lanes.reduce(0, +)
    }
    var squared = 0.0
    var cross = [Double](repeating: 0, count: count)
    for start in Swift.stride(from: 0, to: columns, by: 64) {
      let width = min(64, columns - start)
      var squares = [Double](repeating: 0, count: 64)
      var product = [Double](repeating: 0, count: rank * 64)
      for r in 0..<rows {
        for c in 0..<width {
          let w = weights[r * columns + start + c]
          let square = w * w
          squares[c] += square
          for j in 0..<rank {
            let term = b[r * rank + j] * w
            product[j * 64 + c] += term
          }
        }
      }
      squared += total(squares)
      for k in 0..<count {
        var sums = [Double](repeating: 0, count: 64)
        for j in 0..<rank {
          for c in 0..<width {
            let term = product[j * 64 + c] * a[(k * rank + j) * columns + start + c]
            sums[c] += term
          }
        }
        cross[k] += total(sums)
      }
    }
    return (squared, cross)
  }
}
