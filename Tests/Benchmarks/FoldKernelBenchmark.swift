import ByteIO
import CKernels
import CLAPACK
import Foundation

/// Arithmetic of one core by dtype and rank: `benchmarks kernels`.
///
/// A strip of 256 KiB of a weight, 2,048 columns wide, gets a product; a multiplication and an
/// addition count as one operation each, what rounding and figures cost does not count. Beside it
/// OpenBLAS on one thread: widening the strip to the accumulator's type, `sgemm` or `dgemm` onto it,
/// rounding it back, without figures and with fused multiply-add. Both by turns, the best of many
/// rounds.
enum FoldKernelBenchmark {
  private static let columns = 2048
  private static let ranks = [4, 8, 16, 32, 64, 128, 256]

  @Sendable static func run(_ arguments: [String]) {
    #if !canImport(Darwin)
      openblas_set_num_threads(1)
    #endif
    print("GFLOP/s of one core")
    let levels = arguments.contains("--levels") ? Array(0...rl_best_level().rawValue) : nil
    for raw in levels ?? [rl_best_level().rawValue] {
      let level = rl_level(rawValue: raw)
      print("\ndispatch level \(raw)")
      row(["", "rank", "nearest", "stochastic", "OpenBLAS", "ratio"])
      for rank in ranks {
        sixteenBit("bf16", rank, level, rl_fold_bf16, rl_bf16_to_f32, rl_f32_to_bf16)
      }
      for rank in ranks {
        sixteenBit("f16", rank, level, rl_fold_f16, rl_f16_to_f32, rl_f32_to_f16)
      }
      for rank in ranks { single(rank, level) }
      for rank in ranks { double(rank, level) }
    }
  }

  // MARK: By stored type

  private static func sixteenBit(
    _ name: String, _ rank: Int, _ level: rl_level,
    _ fold: (
      rl_level, UnsafeMutablePointer<UInt16>?, Int, Int, UnsafePointer<Float>?,
      UnsafePointer<Float>?, Int, UnsafePointer<rl_rounding>?,
      UnsafeMutablePointer<rl_fold_statistics>?
    ) -> Void,
    _ widen: (UnsafePointer<UInt16>?, UnsafeMutablePointer<Float>?, Int) -> Void,
    _ narrow: (UnsafePointer<Float>?, UnsafeMutablePointer<UInt16>?, Int) -> Void
  ) {
    let rows = (256 << 10) / (2 * columns)
    let (b, a) = factors(rows, rank)
    var wide = values(rows * columns, 0.02).map { Float($0) }
    var weights = [UInt16](repeating: 0, count: wide.count)
    narrow(wide, &weights, wide.count)
    let b32 = b.map { Float($0) }
    let a32 = a.map { Float($0) }
    var packed = [Float](repeating: 0, count: a.count)
    rl_pack_f32(a, &packed, rank, columns)
    measure(name, rows, rank) { rounding, statistics in
      fold(level, &weights, rows, columns, b32, packed, rank, rounding, &statistics)
    } openBLAS: {
      widen(weights, &wide, wide.count)
      // Column-major: the transposed product of the transposed factors.
      var (n, m, k) = (rl_lapack_int(columns), rl_lapack_int(rows), rl_lapack_int(rank))
      var one: Float = 1
      sgemm_("N", "N", &n, &m, &k, &one, a32, &n, b32, &k, &one, &wide, &n)
      narrow(wide, &weights, wide.count)
    }
  }

  private static func single(_ rank: Int, _ level: rl_level) {
    let rows = (256 << 10) / (4 * columns)
    let (b, a) = factors(rows, rank)
    var wide = values(rows * columns, 0.02)
    var weights = wide.map { Float($0) }
    var packed = [Double](repeating: 0, count: a.count)
    rl_pack_f64(a, &packed, rank, columns)
    measure("f32", rows, rank) { rounding, statistics in
      rl_fold_f32(level, &weights, rows, columns, b, packed, rank, rounding, &statistics)
    } openBLAS: {
      rl_f32_to_f64(weights, &wide, wide.count)
      multiply(b, a, &wide, rows, rank)
      rl_f64_to_f32(wide, &weights, wide.count)
    }
  }

  private static func double(_ rank: Int, _ level: rl_level) {
    let rows = (256 << 10) / (8 * columns)
    let (b, a) = factors(rows, rank)
    var weights = values(rows * columns, 0.02)
    var packed = [Double](repeating: 0, count: a.count)
    rl_pack_f64(a, &packed, rank, columns)
    var copy = weights
    measure("f64", rows, rank) { rounding, statistics in
      rl_fold_f64(level, &weights, rows, columns, b, packed, rank, rounding, &statistics)
    } openBLAS: {
      multiply(b, a, &copy, rows, rank)
    }
  }

  private static func multiply(
    _ b: [Double], _ a: [Double], _ sum: inout [Double], _ rows: Int, _ rank: Int
  ) {
    var (n, m, k) = (rl_lapack_int(columns), rl_lapack_int(rows), rl_lapack_int(rank))
    var one = 1.0
    dgemm_("N", "N", &n, &m, &k, &one, a, &n, b, &k, &one, &sum, &n)
  }

  // MARK: Operands and figures

  private static func factors(_ rows: Int, _ rank: Int) -> (b: [Double], a: [Double]) {
    (values(rows * rank, 0.001), values(rank * columns, 0.001))
  }

  private static func values(_ count: Int, _ size: Double) -> [Double] {
    var generator = SplitMix(state: UInt64(count))
    return (0..<count).map { _ in generator.normal() * size }
  }

  /// Runs the three by turns and prints a line.
  private static func measure(
    _ name: String, _ rows: Int, _ rank: Int,
    _ fold: (UnsafePointer<rl_rounding>?, inout rl_fold_statistics) -> Void, openBLAS: () -> Void
  ) {
    var statistics = rl_fold_statistics()
    let rounding = rl_rounding(key: rl_rounding_key(1, 2), first: 0)
    var (nearest, stochastic, blas) = (Double.infinity, Double.infinity, Double.infinity)
    for _ in 0..<40 {
      nearest = min(nearest, Measuring.seconds { fold(nil, &statistics) })
      stochastic = min(
        stochastic,
        Measuring.seconds { withUnsafePointer(to: rounding) { fold($0, &statistics) } })
      blas = min(blas, Measuring.seconds(openBLAS))
    }
    let operations = 2e-9 * Double(rows * columns * rank)
    row(
      [name, "\(rank)"]
        + [nearest, stochastic, blas].map { Measuring.number(operations / $0, 1) }
        + [Measuring.number(blas / nearest, 2)])
  }

  private static func row(_ cells: [String]) {
    Measuring.row(cells, widths: [6, 5, 9, 11, 9, 6])
  }
}
