internal import Tensors

/// A tensor of an adapter that becomes a float64 matrix when it is needed.
struct StoredMatrix: Sendable {
  let reference: TensorReference
  /// Number of rows of the matrix.
  let rows: Int
  /// Number of columns of the matrix.
  let columns: Int

  /// Takes a tensor as a row-major matrix of its first extent times all others.
  ///
  /// - Throws: `AdapterError` for a tensor that is none, has no elements, or is too large.
  init(_ reference: TensorReference) throws(AdapterError) {
    let info = reference.info
    let source = reference.source.label
    guard info.dtype.isArithmetic else {
      throw .unusableDType(source: source, tensor: info.name, found: info.dtype)
    }
    guard !info.shape.isEmpty, info.elementCount > 0 else {
      throw .notAMatrix(source: source, tensor: info.name, found: info.shape)
    }
    guard info.elementCount <= Factor.maximumBytes / 8 else {
      throw .factorTooLarge(source: source, tensor: info.name, found: info.elementCount)
    }
    self.reference = reference
    rows = info.shape[0]
    columns = info.elementCount / info.shape[0]
  }

  /// The tensor's extents.
  var shape: [Int] { reference.info.shape }
  /// Number of elements.
  var elementCount: Int { rows * columns }

  /// Refuses another shape than expected.
  func require(_ isFit: Bool, _ expected: @autoclosure () -> String) throws(AdapterError) {
    guard !isFit else { return }
    throw .unfitTensor(
      source: reference.source.label, tensor: reference.info.name, found: shape,
      expected: expected())
  }

  /// Refuses to compute more elements from it than any model needs: few stored ones can ask for it.
  func requireComputable(_ elements: Int) throws(AdapterError) {
    guard elements > Factor.maximumBytes / 8 else { return }
    throw .factorTooLarge(
      source: reference.source.label, tensor: reference.info.name, found: elements)
  }

  /// Refuses a stack of more experts than any model has.
  func requireExperts(_ count: Int) throws(AdapterError) {
    try require(count <= 1 << 16, "at most 65536 experts")
  }

  /// Reads the matrix.
  ///
  /// - Throws: errors of the source; `AdapterError.nonFinite` unless `allowingNonFinite`.
  func load(_ allowingNonFinite: Bool) throws -> Matrix {
    let values = try values(rows: 0..<rows)
    try check(values, allowingNonFinite)
    return Matrix(rows: rows, columns: columns, values: values)
  }

  /// Reads some rows, one after the other.
  func values(rows range: Range<Int>) throws -> [Double] {
    let dtype = reference.info.dtype
    let size = columns * dtype.elementByteCount
    let bytes = try reference.source.bytes(
      of: reference.index, range: (range.lowerBound * size)..<(range.upperBound * size))
    return unsafe bytes.withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: dtype) }
  }

  /// Refuses a NaN or an infinity among elements unless they are allowed.
  func check(_ values: [Double], _ allowingNonFinite: Bool) throws(AdapterError) {
    guard !allowingNonFinite, let value = values.first(where: { !$0.isFinite }) else { return }
    throw .nonFinite(
      source: reference.source.label, tensor: reference.info.name, found: value)
  }
}
