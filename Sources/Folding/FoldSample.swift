internal import Adapters
internal import CKernels
internal import Tensors

/// One row of a tile as it was before the fold, to confirm the row by float64 arithmetic afterwards
/// (Merging §6.4).
struct FoldSample {
  private let info: TensorInfo
  /// The row in the tile and in the weight.
  private let tileRow: Int
  private let row: Int
  private let before: [Double]

  /// Keeps a row; which one varies from tile to tile.
  init(_ info: TensorInfo, _ rows: Range<Int>, _ tile: UnsafeMutableRawBufferPointer) {
    self.info = info
    tileRow = rows.lowerBound % 7 * 37 % rows.count
    row = rows.lowerBound + tileRow
    before = FoldSample.values(tile, tileRow, info, info.dtype)
  }

  /// Checks that every stored element of the row lies within the error that the accumulator's
  /// precision allows around the float64 result.
  ///
  /// - Throws: `FoldError.unconfirmed`.
  func confirm(
    _ tile: UnsafeMutableRawBufferPointer, _ dtype: DType, _ exact: PlainFactors, _ level: rl_level
  ) throws(FoldError) {
    let stored = FoldSample.values(tile, tileRow, info, dtype)
    let columns = info.shape[1]
    let rank = exact.b.columns
    let b = Array(exact.b.values[(row * rank)..<((row + 1) * rank)])
    let delta = product(b, exact.a.values, level)
    let magnitude = product(b.map(abs), exact.a.values.map(abs), level)
    let unit = dtype == .f16 || dtype == .bf16 ? 0x1p-24 : 0x1p-53
    var low = [Double](repeating: 0, count: columns)
    var high = low
    for column in 0..<columns {
      let y = before[column] + delta[column]
      let e = Double(rank + 3) * unit * (abs(before[column]) + magnitude[column])
      low[column] = y - e
      high[column] = y + e
    }
    low = FoldSample.rounded(low, dtype)
    high = FoldSample.rounded(high, dtype)
    for column in 0..<columns where before[column].isFinite && stored[column].isFinite {
      guard low[column] <= stored[column], stored[column] <= high[column] else {
        throw .unconfirmed(
          output: info.name, row: row, column: column, found: stored[column],
          expected: before[column] + delta[column])
      }
    }
  }

  private func product(_ b: [Double], _ a: [Double], _ level: rl_level) -> [Double] {
    let columns = info.shape[1]
    var result = [Double](repeating: 0, count: columns)
    rl_multiply_f64(level, b, a, &result, 1, b.count, columns, columns, columns, 0)
    return result
  }

  private static func values(
    _ tile: UnsafeMutableRawBufferPointer, _ row: Int, _ info: TensorInfo, _ dtype: DType
  ) -> [Double] {
    let rowBytes = info.shape[1] * dtype.elementByteCount
    return Conversion.float64(
      from: UnsafeRawBufferPointer(rebasing: tile[(row * rowBytes)..<((row + 1) * rowBytes)]),
      dtype: dtype)
  }

  private static func rounded(_ values: [Double], _ dtype: DType) -> [Double] {
    Conversion.bytes(from: values, dtype: dtype)
      .withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
  }
}
