import Tensors

/// Rounding to nearest, ties to even, by arithmetic on float64; none of the code under test is used.
enum Rounding {
  /// Bits after the leading one, the exponent of the smallest normal number, and the largest number.
  static func format(_ dtype: DType) -> (bits: Int, smallest: Int, largest: Double) {
    switch dtype {
    case .f32: (23, -126, Double(Float.greatestFiniteMagnitude))
    case .f16: (10, -14, 65504)
    case .bf16: (7, -126, 0x1.fep127)
    case .f8E4M3: (3, -6, 448)
    default: preconditionFailure("\(dtype)")
    }
  }

  /// The distance of neighbouring values around one.
  static func step(at value: Double, _ dtype: DType) -> Double {
    let (bits, smallest, _) = format(dtype)
    let exponent = value == 0 ? smallest : max(smallest, Int(value.exponent))
    return Double(sign: .plus, exponent: exponent - bits, significand: 1)
  }

  static func rounded(_ value: Double, _ dtype: DType) -> Double {
    if dtype == .f64 || !value.isFinite { return value }
    let step = step(at: value, dtype)
    let result = (value / step).rounded(.toNearestOrEven) * step
    guard abs(result) <= format(dtype).largest else {
      return value < 0 ? -.infinity : .infinity
    }
    return result
  }
}
