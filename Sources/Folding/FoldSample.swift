internal import Adapters
internal import ByteIO
internal import CKernels
internal import Tensors

/// One row of a tile as it was before the fold, to confirm the row by float64 arithmetic afterwards
/// (Folding §5.2). Its memory is kept from tile to tile.
struct FoldSample {
  private var row = 0
  private var columns = 0
  private var before = FoldSample.line(0)
  private var stored = FoldSample.line(0)
  private var low = FoldSample.line(0)
  private var high = FoldSample.line(0)

  /// The rows that are confirmed of a tile: all, or one that varies from tile to tile.
  static func rows(of tile: Range<Int>, _ verification: Fold.Verification) -> Range<Int> {
    if verification == .full { return tile }
    let row = tile.lowerBound + tile.lowerBound % 7 * 37 % max(1, tile.count)
    return row..<min(row + 1, tile.upperBound)
  }

  /// Keeps a row of a weight.
  ///
  /// - Parameter bytes: the row's elements as stored.
  mutating func keep(
    _ row: Int, _ bytes: UnsafeRawBufferPointer, columns: Int, _ dtype: DType
  ) {
    self.row = row
    self.columns = columns
    if unsafe before.bytes.count < columns * 8 {
      before = FoldSample.line(columns)
      stored = FoldSample.line(columns)
      low = FoldSample.line(columns)
      high = FoldSample.line(columns)
    }
    unsafe Conversion.float64(from: bytes, dtype: dtype, into: values(before))
  }

  /// Checks that every stored element of the row lies within the error that the accumulator's
  /// precision allows around the float64 result.
  ///
  /// - Parameter bytes: the row's elements after the fold.
  /// - Throws: `FoldError.unconfirmed`.
  func confirm(
    _ bytes: UnsafeRawBufferPointer, _ dtype: DType, _ exact: PlainFactors, _ level: rl_level,
    _ rounding: FoldRounding, _ name: TensorName
  ) throws(FoldError) {
    let (before, stored) = unsafe (values(before), values(stored))
    let (low, high) = unsafe (values(low), values(high))
    guard let first = before.baseAddress, let lows = low.baseAddress, let highs = high.baseAddress
    else { return }
    unsafe Conversion.float64(from: bytes, dtype: dtype, into: stored)
    let rank = exact.b.columns
    let unit = dtype == .f16 || dtype == .bf16 ? 0x1p-24 : 0x1p-53
    unsafe exact.b.values.withUnsafeBufferPointer { b in
      unsafe rl_bounds_f64(
        level, first, b.baseAddress.map { unsafe $0 + row * rank }, exact.a.values, rank, columns,
        Double(rank + 3) * unit, unsafe lows, unsafe highs)
    }
    if rounding != .nearest {
      // Either neighbour may be taken.
      for column in 0..<columns {
        unsafe low[column] -= dtype.spacing(at: low[column])
        unsafe high[column] += dtype.spacing(at: high[column])
      }
    }
    unsafe round(low, dtype)
    unsafe round(high, dtype)
    let fault = unsafe rl_first_outside(first, stored.baseAddress, lows, highs, columns)
    guard fault == columns else {
      let delta = (0..<rank).reduce(0.0) { $0 + exact.b[row, $1] * exact.a[$1, fault] }
      throw unsafe .unconfirmed(
        output: name, row: row, column: fault, found: stored[fault],
        expected: before[fault] + delta)
    }
  }

  /// Rounds to elements of a dtype and back.
  private func round(_ line: UnsafeMutableBufferPointer<Double>, _ dtype: DType) {
    unsafe withUnsafeTemporaryAllocation(
      byteCount: line.count * dtype.elementByteCount, alignment: 8
    ) { elements in
      unsafe Conversion.encode(UnsafeBufferPointer(line), dtype: dtype, into: elements)
      unsafe Conversion.float64(from: UnsafeRawBufferPointer(elements), dtype: dtype, into: line)
    }
  }

  private func values(_ line: AlignedBuffer) -> UnsafeMutableBufferPointer<Double> {
    unsafe line.prefix(columns * 8).assumingMemoryBound(to: Double.self)
  }

  private static func line(_ columns: Int) -> AlignedBuffer {
    AlignedBuffer(byteCount: columns * 8)
  }
}
