import CKernels
import Testing

/// A fold kernel and the two conversions of its stored type, those by the slow oracle.
protocol FoldKernel {
  associatedtype Stored: Sendable
  associatedtype Accumulator: BinaryFloatingPoint & Sendable

  /// Widens a stored element; any NaN for a NaN.
  static func widen(_ stored: Stored) -> Accumulator
  /// Rounds to the stored type, once.
  static func narrow(_ value: Accumulator) -> Stored
  /// What is compared, all NaN alike.
  static func bits(_ stored: Stored) -> UInt64
  /// Calls the kernel at a dispatch level.
  static func fold(_ level: rl_level, _ problem: inout FoldProblem<Self>) -> rl_fold_statistics
}

/// The operands of one fold.
struct FoldProblem<Kernel: FoldKernel> {
  var weights: [Kernel.Stored]
  let rows: Int
  let columns: Int
  let rank: Int
  /// Of `rows` x `rank`.
  let b: [Kernel.Accumulator]
  /// Of `rank` x `columns`.
  let a: [Kernel.Accumulator]
  /// Nil for rounding to nearest.
  var rounding: rl_rounding?

  /// `a` in panels of whole width, zero beyond `columns`.
  var packed: [Kernel.Accumulator] {
    let panel = Int(RL_PANEL)
    return stride(from: 0, to: columns, by: panel).flatMap { start in
      (0..<rank).flatMap { j in
        (start..<(start + panel)).map { $0 < columns ? a[j * columns + $0] : 0 }
      }
    }
  }

  /// Spec, Folding §3.1 and §3.3, element by element.
  mutating func foldByTheSpec() -> rl_fold_statistics {
    var statistics = rl_fold_statistics()
    for i in 0..<rows {
      for c in 0..<columns {
        var t: Kernel.Accumulator = 0
        for j in 0..<rank {
          let product = b[i * rank + j] * a[j * columns + c]
          t = t + product
        }
        let before = Kernel.widen(weights[i * columns + c])
        let stored = Kernel.narrow(before + t)
        let after = Kernel.widen(stored)
        let residual = Double((after - before) - t)
        statistics.delta_squared += Double(t) * Double(t)
        statistics.residual_squared += residual * residual
        if t != 0 && after == before { statistics.unchanged += 1 }
        if before.isFinite && !after.isFinite { statistics.overflowed += 1 }
        weights[i * columns + c] = stored
      }
    }
    return statistics
  }
}

enum FoldBF16: FoldKernel {
  static func widen(_ stored: UInt16) -> Float { Float(SixteenBitFormat.bf16.value(of: stored)) }

  static func narrow(_ value: Float) -> UInt16 {
    SixteenBitFormat.bf16.nearest(to: Double(value)) ?? 0x7fc0
  }

  static func bits(_ stored: UInt16) -> UInt64 {
    SixteenBitFormat.bf16.isNaN(stored) ? .max : UInt64(stored)
  }

  static func fold(_ level: rl_level, _ problem: inout FoldProblem<Self>) -> rl_fold_statistics {
    var statistics = rl_fold_statistics()
    withPointer(to: problem.rounding) {
      rl_fold_bf16(
        level, &problem.weights, problem.rows, problem.columns, problem.b, problem.packed,
        problem.rank, $0, &statistics)
    }
    return statistics
  }
}

enum FoldF16: FoldKernel {
  static func widen(_ stored: UInt16) -> Float { Float(SixteenBitFormat.f16.value(of: stored)) }

  static func narrow(_ value: Float) -> UInt16 {
    SixteenBitFormat.f16.nearest(to: Double(value)) ?? 0x7e00
  }

  static func bits(_ stored: UInt16) -> UInt64 {
    SixteenBitFormat.f16.isNaN(stored) ? .max : UInt64(stored)
  }

  static func fold(_ level: rl_level, _ problem: inout FoldProblem<Self>) -> rl_fold_statistics {
    var statistics = rl_fold_statistics()
    withPointer(to: problem.rounding) {
      rl_fold_f16(
        level, &problem.weights, problem.rows, problem.columns, problem.b, problem.packed,
        problem.rank, $0, &statistics)
    }
    return statistics
  }
}

enum FoldF32: FoldKernel {
  static func widen(_ stored: Float) -> Double { Double(stored) }
  static func narrow(_ value: Double) -> Float { Float(value) }
  static func bits(_ stored: Float) -> UInt64 { stored.isNaN ? .max : UInt64(stored.bitPattern) }

  static func fold(_ level: rl_level, _ problem: inout FoldProblem<Self>) -> rl_fold_statistics {
    var statistics = rl_fold_statistics()
    withPointer(to: problem.rounding) {
      rl_fold_f32(
        level, &problem.weights, problem.rows, problem.columns, problem.b, problem.packed,
        problem.rank, $0, &statistics)
    }
    return statistics
  }
}

enum FoldF64: FoldKernel {
  static func widen(_ stored: Double) -> Double { stored }
  static func narrow(_ value: Double) -> Double { value }
  static func bits(_ stored: Double) -> UInt64 { stored.isNaN ? .max : stored.bitPattern }

  static func fold(_ level: rl_level, _ problem: inout FoldProblem<Self>) -> rl_fold_statistics {
    var statistics = rl_fold_statistics()
    withPointer(to: problem.rounding) {
      rl_fold_f64(
        level, &problem.weights, problem.rows, problem.columns, problem.b, problem.packed,
        problem.rank, $0, &statistics)
    }
    return statistics
  }
}

/// Calls `body` with a pointer to a value, null where there is none.
func withPointer<Value, Result>(
  to value: Value?, _ body: (UnsafePointer<Value>?) -> Result
) -> Result {
  guard let value else { return body(nil) }
  return withUnsafePointer(to: value) { body($0) }
}

/// The dispatch levels this machine can run.
enum DispatchLevels {
  static let available = (RL_LEVEL_BASELINE.rawValue...rl_best_level().rawValue).map {
    rl_level(rawValue: $0)
  }
}
