package import Tensors

/// The element type of a torch storage or tensor, supported or not.
package enum StorageType: Sendable, Equatable {
  /// Elements that the package has a dtype for.
  case typed(DType)
  /// Bytes, whose type the tensor tells.
  case untyped
  /// Known to PyTorch, but nothing to read here: the name.
  case unsupported(String)

  /// The type of a class in the module `torch`, such as `FloatStorage`; nil for other names.
  static func storageClass(_ name: String) -> StorageType? {
    if let dtype = classes[name] { return .typed(dtype) }
    return unsupportedClasses.contains(name) ? .unsupported(name) : nil
  }

  /// The type of a `torch.dtype`, such as `float32`; nil for other names.
  static func dtype(_ name: String) -> StorageType? {
    if let dtype = dtypes[name] { return .typed(dtype) }
    return unsupportedDTypes.contains(name) ? .unsupported("torch.\(name)") : nil
  }

  private static let classes: [String: DType] = [
    "FloatStorage": .f32, "DoubleStorage": .f64, "HalfStorage": .f16, "BFloat16Storage": .bf16,
    "LongStorage": .i64, "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8,
    "ByteStorage": .u8, "BoolStorage": .bool, "ComplexFloatStorage": .c64,
  ]

  private static let unsupportedClasses: Set<String> = [
    "ComplexDoubleStorage", "QInt8Storage", "QUInt8Storage", "QInt32Storage", "QUInt4x2Storage",
    "QUInt2x4Storage",
  ]

  private static let dtypes: [String: DType] = [
    "float32": .f32, "float64": .f64, "float16": .f16, "bfloat16": .bf16,
    "int64": .i64, "int32": .i32, "int16": .i16, "int8": .i8,
    "uint64": .u64, "uint32": .u32, "uint16": .u16, "uint8": .u8, "bool": .bool,
    "float8_e4m3fn": .f8E4M3, "float8_e5m2": .f8E5M2, "float8_e8m0fnu": .f8E8M0,
    "float8_e4m3fnuz": .f8E4M3FNUZ, "float8_e5m2fnuz": .f8E5M2FNUZ, "complex64": .c64,
  ]

  private static let unsupportedDTypes: Set<String> = [
    "complex32", "complex128", "qint8", "quint8", "qint32", "quint4x2", "quint2x4", "bits8",
    "bits16", "bits1x8", "bits2x4", "bits4x2", "float4_e2m1fn_x2",
  ]
}
