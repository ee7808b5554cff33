internal import Adapters
internal import CKernels
internal import Tensors

/// One row of a tile as it was before the fold, to confirm the row by float64 arithmetic afterwards
/// (Folding §5.2).
struct FoldSample {
  private let dtype: DType
  private let columns: Int
  /// The row in the tile and in the part.
  private let tileRow: Int
  private let row: Int
  private let before: [Double]

  /// The rows that are confirmed of a tile, numbered in the part: all, or one that varies from tile
  /// to tile.
  static func rows(of tile: Range<Int>, _ verification: Fold.Verification) -> Range<Int> {
    if verification == .full { return tile }
    let row = tile.lowerBound + tile.lowerBound % 7 * 37 % max(1, tile.count)
    return row..<min(row + 1, tile.upperBound)
  }

  /// Keeps rows of a tile.
  static func taken(
    of tile: UnsafeMutableRawBufferPointer, _ part: FoldedPart, _ rows: Range<Int>, _ dtype: DType,
    _ verification: Fold.Verification
  ) -> [FoldSample] {
    FoldSample.rows(of: rows, verification).map { row in
      FoldSample(dtype, part.columns, tileRow: row - rows.lowerBound, row: row, tile)
    }
  }

  private init(
    _ dtype: DType, _ columns: Int, tileRow: Int, row: Int, _ tile: UnsafeMutableRawBufferPointer
  ) {
    self.dtype = dtype
    self.columns = columns
    self.tileRow = tileRow
    self.row = row
    before = FoldSample.values(tile, tileRow, columns, dtype)
  }

  /// Checks that every stored element of the row lies within the error that the accumulator's
  /// precision allows around the float64 result.
  ///
  /// - Throws: `FoldError.unconfirmed`.
  func confirm(
    _ tile: UnsafeMutableRawBufferPointer, _ exact: PlainFactors, _ level: rl_level,
    _ rounding: FoldRounding, _ name: TensorName
  ) throws(FoldError) {
    let rank = exact.b.columns
    let b = Array(exact.b.values[(row * rank)..<((row + 1) * rank)])
    let delta = product(b, exact.a.values, level)
    let magnitude = product(b.map(abs), exact.a.values.map(abs), level)
    let unit = dtype == .f16 || dtype == .bf16 ? 0x1p-24 : 0x1p-53
    let bounds = RowBounds(
      wanted: zip(before, delta).map { $0 + $1 },
      errors: zip(before, magnitude).map { Double(rank + 3) * unit * (abs($0) + $1) })
    try bounds.confirm(
      FoldSample.values(tile, tileRow, columns, dtype), before: before, dtype, rounding, row: row,
      name)
  }

  private func product(_ b: [Double], _ a: [Double], _ level: rl_level) -> [Double] {
    var result = [Double](repeating: 0, count: columns)
    rl_multiply_f64(level, b, a, &result, 1, b.count, columns, columns, columns, 0)
    return result
  }

  private static func values(
    _ tile: UnsafeMutableRawBufferPointer, _ row: Int, _ columns: Int, _ dtype: DType
  ) -> [Double] {
    let rowBytes = columns * dtype.elementByteCount
    return Conversion.float64(
      from: UnsafeRawBufferPointer(rebasing: tile[(row * rowBytes)..<((row + 1) * rowBytes)]),
      dtype: dtype)
  }
}

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
    Conversion.bytes(from: values, dtype: dtype)
      .withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
  }
}

extension DType {
  /// The distance between neighbouring values of an arithmetic type around a value.
  fileprivate func spacing(at value: Double) -> Double {
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
