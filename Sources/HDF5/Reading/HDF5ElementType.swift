public import Tensors

/// The element type of a dataset (Adapter in HDF5 §1.2 and §1.5).
public enum HDF5ElementType: Sendable, Equatable {
  /// F64, F32, F16 or BF16 in either byte order.
  case float(DType, bigEndian: Bool)
  /// Strings of a fixed size in bytes.
  case string(size: Int, padding: HDF5StringPadding)
  /// Strings of variable length, which are read of scalars alone.
  case variableString
  /// Another type, named.
  case unsupported(String)

  /// The type in words, for messages.
  public var kind: String {
    switch self {
    case .float(let dtype, _): dtype.rawValue
    case .string(let size, _): "strings of \(size) bytes"
    case .variableString: "strings of variable length"
    case .unsupported(let kind): kind
    }
  }

  /// Bytes of an element of a type that is read from the file.
  var byteCount: Int? {
    switch self {
    case .float(let dtype, _): dtype.elementByteCount
    case .string(let size, _): size
    case .variableString, .unsupported: nil
    }
  }
}

/// How a string of a fixed size ends.
public enum HDF5StringPadding: UInt8, Sendable {
  /// At the first zero byte, or the whole size.
  case nullTerminated
  /// Before the zero bytes at its end.
  case nullPadded
  /// Before the spaces at its end.
  case spacePadded

  /// The bytes of the string without what fills it up.
  func content(_ bytes: some BidirectionalCollection<UInt8>) -> [UInt8] {
    switch self {
    case .nullTerminated: Array(bytes.prefix { $0 != 0 })
    case .nullPadded: HDF5StringPadding.dropping(0, atEndOf: bytes)
    case .spacePadded: HDF5StringPadding.dropping(0x20, atEndOf: bytes)
    }
  }

  private static func dropping(
    _ filler: UInt8, atEndOf bytes: some BidirectionalCollection<UInt8>
  ) -> [UInt8] {
    guard let last = bytes.lastIndex(where: { $0 != filler }) else { return [] }
    return Array(bytes[...last])
  }
}

/// The layouts of floats that are read, as the library describes them.
struct FloatFields: Equatable {
  var size: Int
  var signPosition: Int
  var exponentPosition: Int
  var exponentSize: Int
  var mantissaPosition: Int
  var mantissaSize: Int
  var bias: Int

  static let all: [(dtype: DType, fields: FloatFields)] = [
    (.f64, FloatFields(8, sign: 63, exponent: (52, 11), mantissa: 52, bias: 1023)),
    (.f32, FloatFields(4, sign: 31, exponent: (23, 8), mantissa: 23, bias: 127)),
    (.f16, FloatFields(2, sign: 15, exponent: (10, 5), mantissa: 10, bias: 15)),
    (.bf16, FloatFields(2, sign: 15, exponent: (7, 8), mantissa: 7, bias: 127)),
  ]

  private init(
    _ size: Int, sign: Int, exponent: (position: Int, size: Int), mantissa: Int, bias: Int
  ) {
    self.size = size
    signPosition = sign
    exponentPosition = exponent.position
    exponentSize = exponent.size
    mantissaPosition = 0
    mantissaSize = mantissa
    self.bias = bias
  }

  init(
    size: Int, signPosition: Int, exponentPosition: Int, exponentSize: Int, mantissaPosition: Int,
    mantissaSize: Int, bias: Int
  ) {
    self.size = size
    self.signPosition = signPosition
    self.exponentPosition = exponentPosition
    self.exponentSize = exponentSize
    self.mantissaPosition = mantissaPosition
    self.mantissaSize = mantissaSize
    self.bias = bias
  }

  /// The fields of an arithmetic dtype.
  static func of(_ dtype: DType) -> FloatFields? { all.first { $0.dtype == dtype }?.fields }
}
