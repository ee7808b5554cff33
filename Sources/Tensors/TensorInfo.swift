/// What is known of a tensor without reading it: name, dtype, shape, size.
public struct TensorInfo: Sendable, Equatable {
  /// The most dimensions a tensor may have.
  public static let maximumRank = 8

  /// The tensor's name.
  public let name: TensorName
  /// The type of its elements.
  public let dtype: DType
  /// The extent of each dimension, outermost first; empty for a scalar.
  public let shape: [Int]
  /// The number of elements, the product of `shape`.
  public let elementCount: Int
  /// The size of the elements in bytes.
  public let byteCount: Int

  /// Checks that the size can be represented.
  ///
  /// - Throws: `TensorInfoError` for too many or negative dimensions, an overflowing size, or
  ///   sub-byte elements that do not fill whole bytes.
  public init(name: TensorName, dtype: DType, shape: [Int]) throws(TensorInfoError) {
    guard shape.count <= TensorInfo.maximumRank else {
      throw .tooManyDimensions(found: shape.count)
    }
    var elements = 1
    for extent in shape {
      guard extent >= 0 else { throw .negativeDimension(found: extent) }
      let (product, overflow) = elements.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw .sizeOverflow(shape: shape) }
      elements = product
    }
    let (bits, overflow) = elements.multipliedReportingOverflow(by: dtype.bitWidth)
    guard !overflow else { throw .sizeOverflow(shape: shape) }
    guard bits % 8 == 0 else { throw .partialByte(dtype: dtype, elements: elements) }
    self.name = name
    self.dtype = dtype
    self.shape = shape
    elementCount = elements
    byteCount = bits / 8
  }

  /// The same tensor under another element type.
  package func converted(to dtype: DType) throws(TensorInfoError) -> TensorInfo {
    try TensorInfo(name: name, dtype: dtype, shape: shape)
  }
}

/// Why a declared tensor can't exist.
public enum TensorInfoError: DiagnosableError, Equatable {
  /// More dimensions than `TensorInfo.maximumRank`.
  case tooManyDimensions(found: Int)
  /// A dimension below zero.
  case negativeDimension(found: Int)
  /// The element or byte count does not fit in 64 bits.
  case sizeOverflow(shape: [Int])
  /// Sub-byte elements that end inside a byte.
  case partialByte(dtype: DType, elements: Int)

  /// A declared tensor is what a file says.
  public var failureKind: FailureKind { .badData }

  /// The reason in words.
  public var description: String {
    switch self {
    case .tooManyDimensions(let found):
      "too many dimensions (found \(found), expected at most \(TensorInfo.maximumRank))"
    case .negativeDimension(let found):
      "negative dimension (found \(found), expected 0 or more)"
    case .sizeOverflow(let shape):
      "size overflows 64 bits (found shape \(shape))"
    case .partialByte(let dtype, let elements):
      "\(dtype.rawValue) elements do not fill whole bytes (found \(elements) elements)"
    }
  }
}
