internal import ByteIO
public import Tensors

/// How two sets of tensors differ, tensor by tensor.
///
/// Tensors are read in pieces of a mebibyte; memory does not depend on their size.
public struct TensorComparison: Sendable {
  /// How far two elements may lie apart and still count as equal:
  /// `|a − b| ≤ absolute + relative · |b|`.
  public struct Tolerance: Sendable {
    /// The part that does not depend on the elements.
    public var absolute: Double
    /// The part per unit of the second element.
    public var relative: Double

    /// No tolerance, or the one given.
    public init(absolute: Double = 0, relative: Double = 0) {
      self.absolute = absolute
      self.relative = relative
    }

    func accepts(_ a: Double, _ b: Double) -> Bool {
      a == b || (a.isNaN && b.isNaN) || abs(a - b) <= absolute + relative * abs(b)
    }
  }

  /// How one tensor differs.
  public struct Difference: Sendable {
    /// The tensor's name.
    public let name: TensorName
    /// The largest `|a − b|`; nil where elements can't be compared as numbers.
    public internal(set) var maximumAbsolute: Double?
    /// The largest `|a − b| / |b|`; nil where elements can't be compared as numbers.
    public internal(set) var maximumRelative: Double?
    /// The most representable values between two elements; nil unless both tensors have the same
    /// floating dtype.
    public internal(set) var ulp: UInt64?
    /// Whether all elements are within the tolerance.
    public internal(set) var isEqual: Bool
    /// Shapes or dtypes that differ; other shapes make a comparison of elements impossible.
    public let mismatch: String?
  }

  /// The tensors that both sets have, in the order of the first.
  public let differences: [Difference]
  /// Tensors that only the first set has.
  public let onlyInFirst: [TensorName]
  /// Tensors that only the second set has.
  public let onlyInSecond: [TensorName]

  /// Whether both sets have the same tensors within the tolerance.
  public var isEqual: Bool {
    onlyInFirst.isEmpty && onlyInSecond.isEmpty && differences.allSatisfy(\.isEqual)
  }

  /// Compares two sets of tensors by name.
  ///
  /// - Parameter progress: called with the bytes done so far; an error it throws stops the
  ///   comparison.
  /// - Throws: errors of reading.
  public init(
    _ first: any TensorSource, _ second: any TensorSource, tolerance: Tolerance, threads: Int,
    progress: @escaping @Sendable () throws -> Void = {}
  ) throws {
    let pairs = first.tensors.indices.compactMap { index in
      second.index(of: first.tensors[index].name).map { (index, $0) }
    }
    onlyInFirst = first.tensors.map(\.name).filter { second.index(of: $0) == nil }.sorted()
    onlyInSecond = second.tensors.map(\.name).filter { first.index(of: $0) == nil }.sorted()
    differences = try Parallel.map(pairs.count, threads: threads) { position in
      try progress()
      return try TensorComparison.compare(
        TensorReference(source: first, index: pairs[position].0),
        TensorReference(source: second, index: pairs[position].1), tolerance)
    }
  }

  private static let pieceElements = 1 << 17

  private static func compare(
    _ first: TensorReference, _ second: TensorReference, _ tolerance: Tolerance
  ) throws -> Difference {
    let (a, b) = (first.info, second.info)
    func unequal(_ why: String) -> Difference {
      Difference(name: a.name, isEqual: false, mismatch: why)
    }
    guard a.shape == b.shape else { return unequal("shape \(a.shape) and \(b.shape)") }
    let areNumbers = Conversion.isDecodable(a.dtype) && Conversion.isDecodable(b.dtype)
    guard areNumbers || a.dtype == b.dtype else {
      return unequal("dtype \(a.dtype.rawValue) and \(b.dtype.rawValue)")
    }
    var difference = Difference(
      name: a.name, maximumAbsolute: areNumbers ? 0 : nil, maximumRelative: areNumbers ? 0 : nil,
      ulp: areNumbers && a.dtype == b.dtype && a.dtype.isArithmetic ? 0 : nil, isEqual: true,
      mismatch: a.dtype == b.dtype ? nil : "dtype \(a.dtype.rawValue) and \(b.dtype.rawValue)")
    for start in stride(from: 0, to: a.elementCount, by: pieceElements) {
      let elements = start..<min(a.elementCount, start + pieceElements)
      let x = try bytes(of: first, elements)
      let y = try bytes(of: second, elements)
      if a.dtype == b.dtype, x == y { continue }
      guard areNumbers else {
        difference.isEqual = false
        continue
      }
      difference.take(x, a.dtype, y, b.dtype, tolerance)
    }
    return difference
  }

  private static func bytes(
    of reference: TensorReference, _ elements: Range<Int>
  ) throws -> [UInt8] {
    // Pieces start at multiples of 8 elements, so sub-byte elements start at whole bytes too.
    let bits = reference.info.dtype.bitWidth
    let range = (elements.lowerBound * bits / 8)..<(elements.upperBound * bits / 8)
    return try unsafe [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
      let target = unsafe UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<range.count])
      try unsafe reference.source.read(tensor: reference.index, at: range.lowerBound, into: target)
      count = range.count
    }
  }
}

extension TensorComparison.Difference {
  /// Takes in pieces that differ somewhere.
  mutating func take(
    _ x: [UInt8], _ xType: DType, _ y: [UInt8], _ yType: DType,
    _ tolerance: TensorComparison.Tolerance
  ) {
    let a = unsafe x.withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: xType) }
    let b = unsafe y.withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: yType) }
    for (p, q) in zip(a, b) {
      if !tolerance.accepts(p, q) { isEqual = false }
      guard p != q, !(p.isNaN && q.isNaN) else { continue }
      let distance = abs(p - q)
      maximumAbsolute = larger(maximumAbsolute, distance)
      maximumRelative = larger(maximumRelative, q == 0 ? .infinity : distance / abs(q))
    }
    if xType == yType, xType == .i64 || xType == .u64 {
      takeIntegers(x, y, xType == .i64, tolerance)
    }
    guard let old = ulp else { return }
    ulp = max(old, Ulps.largest(x, y, xType))
  }

  /// 64-bit integers beyond 2^53 that float64 can't tell apart.
  private mutating func takeIntegers(
    _ x: [UInt8], _ y: [UInt8], _ isSigned: Bool, _ tolerance: TensorComparison.Tolerance
  ) {
    unsafe x.withUnsafeBytes { x in
      unsafe y.withUnsafeBytes { y in
        for offset in stride(from: 0, to: x.count, by: 8) {
          let p = unsafe x.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
          let q = unsafe y.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
          guard p != q else { continue }
          let isBelow = isSigned ? Int64(bitPattern: p) < Int64(bitPattern: q) : p < q
          let distance = Double(isBelow ? q &- p : p &- q)
          let size = isSigned ? Double(Int64(bitPattern: q)) : Double(q)
          if distance > tolerance.absolute + tolerance.relative * abs(size) { isEqual = false }
          maximumAbsolute = larger(maximumAbsolute, distance)
        }
      }
    }
  }

  /// The larger number, an infinity where one is none: a NaN on one side is no small difference.
  private func larger(_ old: Double?, _ new: Double) -> Double {
    max(old ?? 0, new.isNaN ? .infinity : new)
  }
}
