internal import Tensors

/// What the elements of a row should be, and how far the arithmetic may be off.
struct RowBounds {
  let wanted: [Double]
  let errors: [Double]

  /// Checks that every stored element is a rounding of a value within its error.
  ///
  /// - Throws: `FoldError.unconfirmed`.
  func confirm(
    _ stored: [Double], before: [Double], _ dtype: DType, _ rounding: FoldRounding, row: Int,
    _ name: TensorName
  ) throws(FoldError) {
    var low = [Double](repeating: 0, count: wanted.count)
    var high = low
    for column in wanted.indices {
      // Stochastic rounding may take the neighbour on either side.
      let step = rounding == .nearest ? 0 : dtype.spacing(at: wanted[column])
      low[column] = wanted[column] - errors[column] - step
      high[column] = wanted[column] + errors[column] + step
    }
    low = RowBounds.rounded(low, dtype)
    high = RowBounds.rounded(high, dtype)
    for column in wanted.indices where before[column].isFinite && stored[column].isFinite {
      guard low[column] <= stored[column], stored[column] <= high[column] else {
        throw .unconfirmed(
          output: name, row: row, column: column, found: stored[column], expected: wanted[column])
      }
    }
  }

  private static func rounded(_ values: [Double], _ dtype: DType) -> [Double] {
    unsafe Conversion.bytes(from: values, dtype: dtype)
      .withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: dtype) }
  }
}

extension DType {
  /// The distance between neighbouring values of an arithmetic type around a value.
  func spacing(at value: Double) -> Double {
    let (bits, smallest): (Int, Int) =
      switch self {
      case .f64: (52, -1022)
      case .f32: (23, -126)
      case .f16: (10, -14)
      default: (7, -126)
      }
    guard value.isFinite, value != 0 else {
      return Double(sign: .plus, exponent: smallest - bits, significand: 1)
    }
    return Double(sign: .plus, exponent: max(Int(value.exponent), smallest) - bits, significand: 1)
  }
}
