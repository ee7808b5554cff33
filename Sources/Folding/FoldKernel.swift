internal import CKernels
internal import Tensors

/// Calls the kernel for a weight's dtype.
enum FoldKernel {
  /// Adds the block's product to some rows of a weight, in place.
  ///
  /// - Parameter tile: the rows' elements, aligned for their dtype.
  static func run(
    _ level: rl_level, _ tile: UnsafeMutableRawBufferPointer, _ info: TensorInfo,
    _ rows: Range<Int>, _ operands: FoldOperands
  ) -> TaskFigures {
    var statistics = rl_fold_statistics()
    let columns = info.shape[1]
    guard let start = tile.baseAddress else { return TaskFigures() }
    switch operands {
    case .single(let b, let a, let rank):
      let w = start.assumingMemoryBound(to: UInt16.self)
      let kernel = info.dtype == .bf16 ? rl_fold_bf16 : rl_fold_f16
      b.withUnsafeBufferPointer { b in
        kernel(
          level, w, rows.count, columns, b.baseAddress.map { $0 + rows.lowerBound * rank }, a, rank,
          &statistics)
      }
    case .double(let b, let a, let rank):
      b.withUnsafeBufferPointer { b in
        let rowsOfB = b.baseAddress.map { $0 + rows.lowerBound * rank }
        if info.dtype == .f32 {
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
    return TaskFigures(
      deltaSquared: statistics.delta_squared, residualSquared: statistics.residual_squared,
      unchanged: Int(statistics.unchanged), overflowed: Int(statistics.overflowed))
  }
}
