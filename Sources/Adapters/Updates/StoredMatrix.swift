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

  /// Reads the matrix.
  ///
  /// - Throws: errors of the source; `AdapterError.nonFinite` unless `allowingNonFinite`.
  func load(_ allowingNonFinite: Bool) throws -> Matrix {
    let values = try reference.source.float64(of: reference.index)
    if !allowingNonFinite, let value = values.first(where: { !$0.isFinite }) {
      throw AdapterError.nonFinite(
        source: reference.source.label, tensor: reference.info.name, found: value)
    }
    return Matrix(rows: rows, columns: columns, values: values)
  }
}
