internal import CKernels
internal import Tensors

/// Calls the kernel for a weight's dtype.
enum FoldKernel {
  /// Where a tile lies.
  struct Place {
    let columns: Int
    /// The rows in the part, by which the factors go.
    let rows: Range<Int>
    /// The tensor and the element in it, by which stochastic rounding goes.
    let tensor: Int
    let firstElement: Int
  }

  /// Adds the part's product to some rows of a weight, in place.
  ///
  /// - Parameter tile: the rows' elements, aligned for their dtype.
  static func run(
    _ level: rl_level, _ tile: UnsafeMutableRawBufferPointer, _ dtype: DType, _ place: Place,
    _ operands: FoldOperands, _ rounding: FoldRounding
  ) -> PieceFigures {
    var statistics = rl_fold_statistics()
    let (rows, columns) = (place.rows, place.columns)
    guard let start = tile.baseAddress else { return PieceFigures() }
    switch operands {
    case .single(let b, let a, let rank):
      let w = start.assumingMemoryBound(to: UInt16.self)
      let kernel = dtype == .bf16 ? rl_fold_bf16 : rl_fold_f16
      b.withUnsafeBufferPointer { b in
        kernel(
          level, w, rows.count, columns, b.baseAddress.map { $0 + rows.lowerBound * rank }, a, rank,
          &statistics)
      }
    case .double(let b, let a, let rank):
      b.withUnsafeBufferPointer { b in
        let rowsOfB = b.baseAddress.map { $0 + rows.lowerBound * rank }
        if dtype == .f32 {
          rl_fold_f32(
            level, start.assumingMemoryBound(to: Float.self), rows.count, columns, rowsOfB, a, rank,
            &statistics)
        } else {
          rl_fold_f64(
            level, start.assumingMemoryBound(to: Double.self), rows.count, columns, rowsOfB, a,
            rank, &statistics)
        }
      }
    }
    return PieceFigures(statistics)
  }

  /// Rounds new values into a dtype, and compares with the old ones.
  static func store(
    _ level: rl_level, _ values: [Double], before: [Double], _ dtype: DType,
    _ rounding: FoldRounding, tensor: Int, firstElement: Int
  ) -> (bytes: [UInt8], figures: PieceFigures) {
    let bytes = Conversion.bytes(from: values, dtype: dtype)
    let stored = bytes.withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
    let old = Conversion.bytes(from: before, dtype: dtype)
      .withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
    var figures = PieceFigures()
    for i in values.indices {
      figures.add(before: before[i], wanted: values[i], stored: stored[i], old: old[i])
    }
    return (bytes, figures)
  }
}

extension PieceFigures {
  init(_ statistics: rl_fold_statistics) {
    self.init(
      deltaSquared: statistics.delta_squared, residualSquared: statistics.residual_squared,
      unchanged: Int(statistics.unchanged), overflowed: Int(statistics.overflowed))
  }

  /// Takes in one element: the weight before, the exact sum, the stored value, and the weight as it
  /// would have been stored unchanged.
  mutating func add(before: Double, wanted: Double, stored: Double, old: Double) {
    let delta = wanted - before
    let residual = (stored - before) - delta
    deltaSquared += delta * delta
    residualSquared += residual * residual
    if delta != 0, stored == old { unchanged += 1 }
    if before.isFinite, wanted.isFinite, !stored.isFinite { overflowed += 1 }
  }
}
