internal import Adapters
internal import Tensors

extension LoadedPart {
  /// Computes a row again, element by element and apart from the kernels, and checks what was stored
  /// (Folding §5.2).
  ///
  /// - Parameters:
  ///   - row: the row in the part.
  ///   - before: the row's values before the fold.
  ///   - elements: where the row lies in `stored`.
  /// - Throws: `FoldError.unconfirmed`; errors of reading a tensor that replaces.
  func confirm(
    row: Int, before: [Double], stored: UnsafeRawBufferPointer, _ elements: Range<Int>,
    _ dtype: DType, _ rounding: FoldRounding, _ name: TensorName
  ) throws {
    let width = dtype.elementByteCount
    let found = unsafe Conversion.float64(
      from: UnsafeRawBufferPointer(
        rebasing: stored[(elements.lowerBound * width)..<(elements.upperBound * width)]),
      dtype: dtype)
    try bounds(row: row, before: before)
      .confirm(found, before: before, dtype, rounding, row: row, name)
  }

  /// Computes a row of a weight with block scales again, and checks its F8_E4M3 elements.
  ///
  /// - Parameters:
  ///   - codes: the row's elements.
  ///   - scales: the scales of the row's blocks.
  /// - Throws: as for other rows.
  func confirm(
    row: Int, before: [Double], codes: ArraySlice<UInt8>, scales: ArraySlice<Double>,
    _ name: TensorName
  ) throws {
    let bounds = try bounds(row: row, before: before)
    for (column, code) in codes.enumerated() where before[column].isFinite {
      let scale = scales[scales.startIndex + column / BlockScales.extent]
      let (wanted, error) = (bounds.wanted[column] / scale, bounds.errors[column] / scale)
      let found = SmallFloat.decode(code, as: .f8E4M3)
      // A scale that was rounded down leaves values beyond the largest one, which they become.
      let target = min(max(wanted, -BlockScales.largest), BlockScales.largest)
      guard !found.isFinite || abs(found - target) <= BlockScales.spacing(at: target) / 2 + error
      else {
        throw FoldError.unconfirmed(
          output: name, row: row, column: column, found: found * scale, expected: wanted * scale)
      }
    }
  }

  private func bounds(row: Int, before: [Double]) throws -> RowBounds {
    var wanted = before
    var magnitudes = before.map(abs)
    func add(_ delta: WeightDelta) {
      for column in wanted.indices {
        let (sum, magnitude) = delta.element(row, column)
        wanted[column] += sum
        magnitudes[column] += magnitude
      }
    }
    switch operation {
    case .product(_, let exact): add(.product(exact))
    case .sum(let deltas): deltas.forEach(add)
    case .rescaled(let delta, let magnitude, let columnNorms):
      add(delta)
      let norm = wanted.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for column in wanted.indices {
        let factor = columnNorms.map { magnitude[column] / $0[column] } ?? magnitude[row] / norm
        wanted[column] *= factor
        magnitudes[column] *= abs(factor)
      }
    case .replaced:
      try apply(rows: row..<(row + 1), columns: before.count, to: &wanted)
      magnitudes = wanted.map(abs)
    }
    // Sums of up to a few thousand terms in any order, far below the spacing of any stored type but
    // float64.
    return RowBounds(wanted: wanted, errors: magnitudes.map { $0 * 0x1p-40 })
  }
}

extension WeightDelta {
  /// One element, and the sum of the magnitudes of its terms.
  fileprivate func element(_ row: Int, _ column: Int) -> (sum: Double, magnitude: Double) {
    func product(_ factors: PlainFactors) -> (Double, Double) {
      var (sum, magnitude) = (0.0, 0.0)
      for j in 0..<factors.a.rows {
        let term = factors.b[row, j] * factors.a[j, column]
        sum += term
        magnitude += abs(term)
      }
      return (sum, magnitude)
    }
    switch self {
    case .product(let factors): return product(factors)
    case .hadamard(let first, let second):
      let (x, y) = (product(first), product(second))
      return (x.0 * y.0, x.1 * y.1)
    case .kronecker(let left, let right):
      let value =
        left[row / right.rows, column / right.columns]
        * right[row % right.rows, column % right.columns]
      return (value, abs(value))
    case .dense(let matrix): return (matrix[row, column], abs(matrix[row, column]))
    }
  }
}
