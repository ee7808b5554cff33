internal import Adapters
internal import ByteIO
internal import CKernels
internal import Tensors

/// One row of a tile as it was before the fold, to confirm the row by float64 arithmetic afterwards
/// (Merging §6.4). Its memory is kept from tile to tile.
struct FoldSample {
  private var row = 0
  private var columns = 0
  private var before = FoldSample.line(0)
  private var stored = FoldSample.line(0)
  private var low = FoldSample.line(0)
  private var high = FoldSample.line(0)

  /// Which row of a tile is confirmed; it varies from tile to tile.
  static func row(of tile: Range<Int>) -> Int {
    tile.lowerBound + tile.lowerBound % 7 * 37 % tile.count
  }

  /// Keeps a row of a weight.
  ///
  /// - Parameter bytes: the row's elements as stored.
  mutating func keep(_ row: Int, _ bytes: UnsafeRawBufferPointer, _ info: TensorInfo) {
    self.row = row
    columns = info.shape[1]
    if before.bytes.count < columns * 8 {
      before = FoldSample.line(columns)
      stored = FoldSample.line(columns)
      low = FoldSample.line(columns)
      high = FoldSample.line(columns)
    }
    Conversion.float64(from: bytes, dtype: info.dtype, into: values(before))
  }

  /// Checks that every stored element of the row lies within the error that the accumulator's
  /// precision allows around the float64 result.
  ///
  /// - Parameter bytes: the row's elements after the fold.
  /// - Throws: `FoldError.unconfirmed`.
  func confirm(
    _ bytes: UnsafeRawBufferPointer, _ info: TensorInfo, _ exact: PlainFactors, _ level: rl_level
  ) throws(FoldError) {
    let (before, stored) = (values(before), values(stored))
    let (low, high) = (values(low), values(high))
    guard let first = before.baseAddress, let lows = low.baseAddress, let highs = high.baseAddress
    else { return }
    Conversion.float64(from: bytes, dtype: info.dtype, into: stored)
    let rank = exact.b.columns
    let unit = info.dtype == .f16 || info.dtype == .bf16 ? 0x1p-24 : 0x1p-53
    exact.b.values.withUnsafeBufferPointer { b in
      rl_bounds_f64(
        level, first, b.baseAddress.map { $0 + row * rank }, exact.a.values, rank, columns,
        Double(rank + 3) * unit, lows, highs)
    }
    round(low, info.dtype)
    round(high, info.dtype)
    let fault = rl_first_outside(first, stored.baseAddress, lows, highs, columns)
    guard fault == columns else {
      let delta = (0..<rank).reduce(0.0) { $0 + exact.b[row, $1] * exact.a[$1, fault] }
      throw .unconfirmed(
        output: info.name, row: row, column: fault, found: stored[fault],
        expected: before[fault] + delta)
    }
  }

  /// Rounds to elements of a dtype and back.
  private func round(_ line: UnsafeMutableBufferPointer<Double>, _ dtype: DType) {
    withUnsafeTemporaryAllocation(
      byteCount: line.count * dtype.elementByteCount, alignment: 8
    ) { elements in
      Conversion.encode(UnsafeBufferPointer(line), dtype: dtype, into: elements)
      Conversion.float64(from: UnsafeRawBufferPointer(elements), dtype: dtype, into: line)
    }
  }

  private func values(_ line: AlignedBuffer) -> UnsafeMutableBufferPointer<Double> {
    line.prefix(columns * 8).assumingMemoryBound(to: Double.self)
  }

  private static func line(_ columns: Int) -> AlignedBuffer {
    AlignedBuffer(byteCount: columns * 8)
  }
}
