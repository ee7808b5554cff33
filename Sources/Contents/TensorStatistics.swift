internal import ByteIO
public import Tensors

/// What the elements of a tensor are like. Sums accumulate in float64 over the finite elements.
public struct TensorStatistics: Sendable, Equatable {
  /// The smallest finite element; nil where there is none.
  public private(set) var minimum: Double?
  /// The largest finite element; nil where there is none.
  public private(set) var maximum: Double?
  /// The Frobenius norm.
  public var norm: Double { sumOfSquares.squareRoot() }
  /// Elements that are 0.
  public private(set) var zeros = 0
  /// Elements that are NaN or infinite.
  public private(set) var nonFinite = 0

  private var count = 0
  private var sum = 0.0
  private var sumOfSquares = 0.0
  // Of differences to the first finite element: elements that are all alike deviate by 0.
  private var first: Double?
  private var sumOfDifferences = 0.0
  private var sumOfSquaredDifferences = 0.0

  /// The arithmetic mean of the finite elements.
  public var mean: Double? { count == 0 ? nil : sum / Double(count) }

  /// The standard deviation of the finite elements.
  public var deviation: Double? {
    if count == 0 { return nil }
    let offset = sumOfDifferences / Double(count)
    let variance = sumOfSquaredDifferences / Double(count) - offset * offset
    return variance < 0 ? 0 : variance.squareRoot()  // not max, which drops a NaN
  }

  /// Reads a tensor of an arithmetic dtype, a mebibyte at a time; nil for other dtypes.
  ///
  /// - Parameter progress: called before each piece; an error it throws stops the work.
  /// - Throws: errors of reading.
  public init?(
    _ source: any TensorSource, _ index: Int, progress: @Sendable () throws -> Void = {}
  ) throws {
    let info = source.tensors[index]
    guard info.dtype.isArithmetic else { return nil }
    for offset in stride(from: 0, to: info.byteCount, by: 1 << 20) {
      try progress()
      let piece = try source.bytes(
        of: index, range: offset..<min(info.byteCount, offset + 1 << 20))
      for value in unsafe piece.withUnsafeBytes({
        unsafe Conversion.float64(from: $0, dtype: info.dtype)
      }) {
        add(value)
      }
    }
  }

  private mutating func add(_ value: Double) {
    guard value.isFinite else {
      nonFinite += 1
      return
    }
    minimum = min(minimum ?? value, value)
    maximum = max(maximum ?? value, value)
    if value == 0 { zeros += 1 }
    count += 1
    sum += value
    sumOfSquares += value * value
    let difference = value - (first ?? value)
    first = first ?? value
    sumOfDifferences += difference
    sumOfSquaredDifferences += difference * difference
  }

  /// The statistics of every tensor of a source, tensors spread over threads.
  public static func all(
    of source: any TensorSource, threads: Int, progress: @Sendable () throws -> Void = {}
  ) throws -> [TensorStatistics?] {
    try Parallel.map(source.tensors.count, threads: threads) {
      try TensorStatistics(source, $0, progress: progress)
    }
  }
}
