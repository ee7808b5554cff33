internal import CKernels
internal import Tensors

/// Calls the kernels for a weight's dtype.
enum FoldKernel {
  /// What weights become: values, or what is added to them.
  enum New {
    case values([Double])
    case deltas([Double])
  }

  /// Adds the block's product to some rows of a weight, in place.
  ///
  /// - Parameters:
  ///   - tile: the rows' elements, aligned for their dtype.
  ///   - rounding: random numbers for stochastic rounding, beginning with the first row's; nil
  ///     rounds to nearest.
  static func run(
    _ level: rl_level, _ tile: UnsafeMutableRawBufferPointer, _ info: TensorInfo,
    _ rows: Range<Int>, _ operands: FoldOperands, rounding: rl_rounding? = nil
  ) -> TaskFigures {
    guard let start = tile.baseAddress else { return TaskFigures() }
    var statistics = rl_fold_statistics()
    let columns = info.shape[1]
    withPointer(to: rounding) { rounding in
      switch operands {
      case .single(let b, let a, let rank):
        let kernel = info.dtype == .bf16 ? rl_fold_bf16 : rl_fold_f16
        b.withUnsafeBufferPointer { b in
          kernel(
            level, start.assumingMemoryBound(to: UInt16.self), rows.count, columns,
            b.baseAddress.map { $0 + rows.lowerBound * rank }, a, rank, rounding, &statistics)
        }
      case .double(let b, let a, let rank):
        b.withUnsafeBufferPointer { b in
          let factors = b.baseAddress.map { $0 + rows.lowerBound * rank }
          if info.dtype == .f32 {
            rl_fold_f32(
              level, start.assumingMemoryBound(to: Float.self), rows.count, columns, factors, a,
              rank, rounding, &statistics)
          } else {
            rl_fold_f64(
              level, start.assumingMemoryBound(to: Double.self), rows.count, columns, factors, a,
              rank, rounding, &statistics)
          }
        }
      }
    }
    return TaskFigures(statistics)
  }

  /// Rounds new values of weights to an arithmetic dtype.
  ///
  /// - Parameters:
  ///   - target: room for the elements, aligned for their dtype.
  ///   - before: the weights as they were.
  ///   - rounding: random numbers for stochastic rounding; nil rounds to nearest.
  static func store(
    _ level: rl_level, _ target: UnsafeMutableRawBufferPointer, _ dtype: DType, before: [Double],
    _ new: New, rounding: rl_rounding? = nil
  ) -> TaskFigures {
    precondition(target.count >= before.count * dtype.elementByteCount)
    guard let start = target.baseAddress else { return TaskFigures() }
    var statistics = rl_fold_statistics()
    func store(_ values: UnsafePointer<Double>?, _ deltas: UnsafePointer<Double>?) {
      withPointer(to: rounding) { rounding in
        let count = before.count
        switch dtype {
        case .f64:
          rl_store_f64(
            level, start.assumingMemoryBound(to: Double.self), before, values, deltas, count,
            rounding, &statistics)
        case .f32:
          rl_store_f32(
            level, start.assumingMemoryBound(to: Float.self), before, values, deltas, count,
            rounding, &statistics)
        default:
          let kernel = dtype == .bf16 ? rl_store_bf16 : rl_store_f16
          kernel(
            level, start.assumingMemoryBound(to: UInt16.self), before, values, deltas, count,
            rounding, &statistics)
        }
      }
    }
    switch new {
    case .values(let values):
      precondition(values.count == before.count)
      values.withUnsafeBufferPointer { store($0.baseAddress, nil) }
    case .deltas(let deltas):
      precondition(deltas.count == before.count)
      deltas.withUnsafeBufferPointer { store(nil, $0.baseAddress) }
    }
    return TaskFigures(statistics)
  }

  private static func withPointer(
    to rounding: rl_rounding?, _ body: (UnsafePointer<rl_rounding>?) -> Void
  ) {
    guard let rounding else { return body(nil) }
    withUnsafePointer(to: rounding, body)
  }
}

extension TaskFigures {
  fileprivate init(_ statistics: rl_fold_statistics) {
    self.init(
      deltaSquared: statistics.delta_squared, residualSquared: statistics.residual_squared,
      unchanged: Int(statistics.unchanged), overflowed: Int(statistics.overflowed))
  }
}
