internal import ByteIO
internal import Tensors

extension HDF5Dataset {
  /// The text of a scalar string dataset (Adapter in HDF5 §1.2).
  ///
  /// - Throws: `HDF5Error` for another type or shape, beyond `limit` bytes, or for what is not
  ///   UTF-8; errors of reading.
  public func text(limit: Int) throws -> String {
    if let unsupported { throw error(.unsupported(unsupported)) }
    let content: [UInt8]
    switch elementType {
    case .string(let size, let padding) where shape.isEmpty:
      guard size <= limit else { throw error(.tooMany(what: "bytes in a string", limit: limit)) }
      var bytes = [UInt8](repeating: 0, count: size)
      try unsafe bytes.withUnsafeMutableBytes { try unsafe read(at: 0, into: $0) }
      content = padding.content(bytes)
    case .variableString:
      content = variableText
      guard content.count <= limit else {
        throw error(.tooMany(what: "bytes in a string", limit: limit))
      }
    default: throw error(.wrongKind(found: kind, expected: "a string"))
    }
    guard let text = String(validating: content, as: UTF8.self) else {
      throw error(.wrongKind(found: "a string that is not UTF-8", expected: "UTF-8"))
    }
    return text
  }

  /// The values of a dataset of rank 1 with elements of type F64 (Adapter in HDF5 §2.4).
  ///
  /// - Throws: `HDF5Error` for another type or shape, or beyond `limit` values; errors of reading.
  public func doubles(limit: Int) throws -> [Double] {
    if let unsupported { throw error(.unsupported(unsupported)) }
    guard dtype == .f64, shape.count == 1 else {
      throw error(.wrongKind(found: kind, expected: "F64 of rank 1"))
    }
    guard shape[0] <= limit else { throw error(.tooMany(what: "values", limit: limit)) }
    var bytes = [UInt8](repeating: 0, count: 8 * shape[0])
    try unsafe bytes.withUnsafeMutableBytes { try unsafe read(at: 0, into: $0) }
    return unsafe bytes.withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: .f64) }
  }

  /// Type and shape in words.
  public var kind: String {
    shape.isEmpty ? elementType.kind : "\(elementType.kind) of shape \(shape)"
  }
}
