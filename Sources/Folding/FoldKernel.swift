internal import CKernels
internal import Tensors

/// Calls the kernels for a weight's dtype.
enum FoldKernel {
  /// Where elements lie.
  struct Place {
    /// The tensor, by which stochastic rounding goes.
    let tensor: Int
    /// The first element in the tensor.
    let firstElement: Int

    /// The random numbers for elements from there on; nil rounds to nearest.
    func numbers(_ rounding: FoldRounding) -> rl_rounding? {
      guard case .stochastic(let seed) = rounding else { return nil }
      return rl_rounding(
        key: rl_rounding_key(seed, UInt64(tensor)), first: UInt64(firstElement))
    }
  }

  /// Adds the part's product to some rows of a weight, in place.
  ///
  /// - Parameters:
  ///   - tile: the rows' elements, aligned for their dtype.
  ///   - rows: the rows in the part, by which the factors go.
  static func run(
    _ level: rl_level, _ tile: UnsafeMutableRawBufferPointer, _ dtype: DType, columns: Int,
    _ rows: Range<Int>, _ operands: FoldOperands, _ numbers: rl_rounding?
  ) -> PieceFigures {
    guard let start = tile.baseAddress else { return PieceFigures() }
    var statistics = rl_fold_statistics()
    unsafe withPointer(to: numbers) { numbers in
      switch operands {
      case .single(let b, let a, let rank):
        let kernel = unsafe dtype == .bf16 ? rl_fold_bf16 : rl_fold_f16
        unsafe b.withUnsafeBufferPointer { b in
          unsafe kernel(
            level, start.assumingMemoryBound(to: UInt16.self), rows.count, columns,
            b.baseAddress.map { unsafe $0 + rows.lowerBound * rank }, a, rank, unsafe numbers,
            &statistics)
        }
      case .double(let b, let a, let rank):
        unsafe b.withUnsafeBufferPointer { b in
          let factors = unsafe b.baseAddress.map { unsafe $0 + rows.lowerBound * rank }
          if dtype == .f32 {
            unsafe rl_fold_f32(
              level, start.assumingMemoryBound(to: Float.self), rows.count, columns, factors, a,
              rank, numbers, &statistics)
          } else {
            unsafe rl_fold_f64(
              level, start.assumingMemoryBound(to: Double.self), rows.count, columns, factors, a,
              rank, numbers, &statistics)
          }
        }
      }
    }
    return PieceFigures(statistics)
  }

  /// Rounds new values of weights to an arithmetic dtype.
  ///
  /// - Parameters:
  ///   - target: room for the elements, aligned for their dtype.
  ///   - before: the weights as they were.
  static func store(
    _ level: rl_level, _ target: UnsafeMutableRawBufferPointer, _ dtype: DType, before: [Double],
    _ values: [Double], _ numbers: rl_rounding?
  ) -> PieceFigures {
    precondition(target.count >= before.count * dtype.elementByteCount)
    precondition(values.count == before.count)
    guard let start = target.baseAddress else { return PieceFigures() }
    var statistics = rl_fold_statistics()
    unsafe withPointer(to: numbers) { numbers in
      let count = before.count
      switch dtype {
      case .f64:
        unsafe rl_store_f64(
          level, start.assumingMemoryBound(to: Double.self), before, values, nil, count, numbers,
          &statistics)
      case .f32:
        unsafe rl_store_f32(
          level, start.assumingMemoryBound(to: Float.self), before, values, nil, count, numbers,
          &statistics)
      default:
        let kernel = unsafe dtype == .bf16 ? rl_store_bf16 : rl_store_f16
        unsafe kernel(
          level, start.assumingMemoryBound(to: UInt16.self), before, values, nil, count, numbers,
          &statistics)
      }
    }
    return PieceFigures(statistics)
  }

  private static func withPointer(
    to numbers: rl_rounding?, _ body: (UnsafePointer<rl_rounding>?) -> Void
  ) {
    guard let numbers else { return body(nil) }
    unsafe withUnsafePointer(to: numbers, body)
  }
}

extension PieceFigures {
  init(_ statistics: rl_fold_statistics) {
    self.init(
      deltaSquared: statistics.delta_squared, residualSquared: statistics.residual_squared,
      unchanged: Int(statistics.unchanged), overflowed: Int(statistics.overflowed))
  }
}
