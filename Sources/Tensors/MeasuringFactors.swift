internal import CKernels

/// Small factors L and R_k that a weight W is measured against (Merging §4.5), as the kernel takes
/// them.
///
/// Memory: rank times rows, and for each k rank times columns, in float64.
package struct MeasuringFactors: Sendable {
  /// `⟨Lᵀ L, R_k R_lᵀ⟩` for each k and l.
  package let gram: [[Double]]

  private let left: Matrix
  private let columns: Int
  private let rightCount: Int
  /// The R_k one after the other, rows padded to whole panels.
  private let rights: [Double]
  private let stride: Int

  /// Prepares `left`, rows x rank, and at least one right factor, each rank x columns.
  package init(left: Matrix, rights: [Matrix]) {
    let columns = rights.first?.columns ?? 0
    precondition(rights.allSatisfy { $0.rows == left.columns && $0.columns == columns })
    let panel = Int(RL_PANEL)
    let stride = (columns + panel - 1) / panel * panel
    var padded = [Double](repeating: 0, count: rights.count * left.columns * stride)
    for (k, right) in rights.enumerated() {
      for row in 0..<right.rows {
        let start = (k * right.rows + row) * stride
        padded.replaceSubrange(
          start..<(start + columns),
          with: right.values[(row * columns)..<((row + 1) * columns)])
      }
    }
    self.left = left
    self.columns = columns
    self.stride = stride
    self.rights = padded
    rightCount = rights.count
    gram = MeasuringFactors.gram(left, rights)
  }

  /// The sums over some whole rows of W.
  ///
  /// - Parameters:
  ///   - tile: the rows' elements as they are stored, aligned for their dtype, an arithmetic one.
  ///   - rows: which rows of W they are.
  /// - Complexity: one product and one sum for each element and each line of the rank.
  package func sums(
    of tile: UnsafeRawBufferPointer, dtype: DType, rows: Range<Int>
  ) -> TileSums {
    let rank = left.columns
    precondition(dtype.isArithmetic && rows.upperBound <= left.rows)
    precondition(tile.count == rows.count * columns * dtype.elementByteCount)
    var cross = [Double](repeating: 0, count: rightCount)
    var sums = rl_weight_sums()
    unsafe withUnsafeTemporaryAllocation(
      byteCount: max(1, rank * Int(RL_STATISTICS_COLUMNS)) * 8, alignment: 64
    ) { scratch in
      unsafe left.values.withUnsafeBufferPointer { left in
        let b = unsafe left.baseAddress.map { unsafe $0 + rows.lowerBound * rank }
        let product = unsafe scratch.baseAddress?.assumingMemoryBound(to: Double.self)
        func run<Stored>(
          _ kernel: (
            rl_level, UnsafePointer<Stored>?, Int, Int, UnsafePointer<Double>?,
            UnsafePointer<Double>?, Int, Int, Int, UnsafeMutablePointer<Double>?,
            UnsafeMutablePointer<Double>?, UnsafeMutablePointer<rl_weight_sums>?
          ) -> Void
        ) {
          unsafe kernel(
            rl_best_level(), tile.baseAddress?.assumingMemoryBound(to: Stored.self), rows.count,
            columns, b, rights, rightCount, rank, stride, product, &cross, &sums)
        }
        switch dtype {
        case .bf16: unsafe run(rl_weight_statistics_bf16)
        case .f16: unsafe run(rl_weight_statistics_f16)
        case .f32: unsafe run(rl_weight_statistics_f32)
        default: unsafe run(rl_weight_statistics_f64)
        }
      }
    }
    return TileSums(
      squaredNorm: sums.squared_norm, cross: cross, isFinite: sums.non_finite == 0)
  }

  /// `⟨Lᵀ L, R_k R_lᵀ⟩ = ⟨Lᵀ L R_l, R_k⟩`, of which exchanging k and l gives the same.
  private static func gram(_ left: Matrix, _ rights: [Matrix]) -> [[Double]] {
    let square = left.columnGram
    var gram = [[Double]](
      repeating: [Double](repeating: 0, count: rights.count), count: rights.count)
    for l in rights.indices {
      let product = square.times(rights[l])
      for k in l..<rights.count {
        gram[k][l] = product.dot(rights[k])
        gram[l][k] = gram[k][l]
      }
    }
    return gram
  }
}
