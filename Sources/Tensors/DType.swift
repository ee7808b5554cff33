/// The element type of a tensor, by the names the safetensors format gives them.
///
/// The order of the cases is that of the reference implementation: its writer sorts tensors by
/// this order, descending, before it sorts them by name.
public enum DType: String, CaseIterable, Sendable {
  /// One byte, 0 or 1.
  case bool = "BOOL"
  /// 4-bit float, 2 exponent bits; two elements a byte.
  case f4 = "F4"
  /// 6-bit float, 2 exponent bits; four elements in three bytes.
  case f6E2M3 = "F6_E2M3"
  /// 6-bit float, 3 exponent bits; four elements in three bytes.
  case f6E3M2 = "F6_E3M2"
  /// Unsigned 8-bit integer.
  case u8 = "U8"
  /// Signed 8-bit integer.
  case i8 = "I8"
  /// 8-bit float with 5 exponent bits, infinities and NaN.
  case f8E5M2 = "F8_E5M2"
  /// 8-bit float with 4 exponent bits, NaN and no infinities ("fn").
  case f8E4M3 = "F8_E4M3"
  /// 8-bit power-of-two scale, no sign and no mantissa.
  case f8E8M0 = "F8_E8M0"
  /// 8-bit float with 4 exponent bits, one NaN and no negative zero.
  case f8E4M3FNUZ = "F8_E4M3FNUZ"
  /// 8-bit float with 5 exponent bits, one NaN and no negative zero.
  case f8E5M2FNUZ = "F8_E5M2FNUZ"
  /// Signed 16-bit integer.
  case i16 = "I16"
  /// Unsigned 16-bit integer.
  case u16 = "U16"
  /// IEEE half precision.
  case f16 = "F16"
  /// The upper half of an IEEE single.
  case bf16 = "BF16"
  /// Signed 32-bit integer.
  case i32 = "I32"
  /// Unsigned 32-bit integer.
  case u32 = "U32"
  /// IEEE single precision.
  case f32 = "F32"
  /// Two IEEE singles, real and imaginary.
  case c64 = "C64"
  /// IEEE double precision.
  case f64 = "F64"
  /// Signed 64-bit integer.
  case i64 = "I64"
  /// Unsigned 64-bit integer.
  case u64 = "U64"

  /// Width of one element in bits.
  public var bitWidth: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// Whether the package computes with this type: F64, F32, F16 and BF16.
  public var isArithmetic: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16: true
    default: false
    }
  }

  /// Bytes of one element of an arithmetic type.
  package var elementByteCount: Int { bitWidth / 8 }
}

extension DType: Comparable {
  /// By the order of the cases.
  public static func < (left: DType, right: DType) -> Bool { left.order < right.order }

  private static let orders = Dictionary(
    uniqueKeysWithValues: DType.allCases.enumerated().map { ($1, $0) })

  private var order: Int { DType.orders[self] ?? 0 }
}
