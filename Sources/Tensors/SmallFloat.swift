/// Decoding of the 8-bit float types.
package enum SmallFloat {
  /// The value of one element of an F8 type.
  package static func decode(_ bits: UInt8, as dtype: DType) -> Double {
    switch dtype {
    case .f8E5M2:
      // The upper half of an IEEE half: 5 exponent bits, infinities, several NaN.
      if bits & 0x7f == 0x7c { return bits & 0x80 == 0 ? .infinity : -.infinity }
      if bits & 0x7f > 0x7c { return .nan }
      return finite(bits, exponentBits: 5, bias: 15)
    case .f8E4M3:
      if bits & 0x7f == 0x7f { return .nan }
      return finite(bits, exponentBits: 4, bias: 7)
    case .f8E4M3FNUZ:
      if bits == 0x80 { return .nan }
      return finite(bits, exponentBits: 4, bias: 8)
    case .f8E5M2FNUZ:
      if bits == 0x80 { return .nan }
      return finite(bits, exponentBits: 5, bias: 16)
    case .f8E8M0:
      if bits == 0xff { return .nan }
      return Double(sign: .plus, exponent: Int(bits) - 127, significand: 1)
    default:
      preconditionFailure("\(dtype.rawValue) is not an 8-bit float")
    }
  }

  private static func finite(_ bits: UInt8, exponentBits: Int, bias: Int) -> Double {
    let mantissaBits = 7 - exponentBits
    let mantissa = Double(bits & ((1 << mantissaBits) - 1))
    let exponent = Int(bits & 0x7f) >> mantissaBits
    let scale = Double(1 << mantissaBits)
    let magnitude =
      exponent == 0
      ? Double(sign: .plus, exponent: 1 - bias, significand: 1) * (mantissa / scale)
      : Double(sign: .plus, exponent: exponent - bias, significand: 1 + mantissa / scale)
    return bits & 0x80 == 0 ? magnitude : -magnitude
  }
}

extension SmallFloat {
  /// The F8_E4M3 element nearest to a value, ties to even; NaN beyond the largest one's reach.
  package static func encodeE4M3(_ value: Double) -> UInt8 {
    let sign: UInt8 = value.sign == .minus ? 0x80 : 0
    let magnitude = abs(value)
    guard magnitude <= 464 else { return sign | 0x7f }
    // Values of neighbouring bit patterns ascend: eight to a binade, and as far apart below 2^-6.
    let exponent = max(-6, magnitude == 0 ? -6 : Int(magnitude.exponent))
    let step = Double(sign: .plus, exponent: exponent - 3, significand: 1)
    let steps = Int((magnitude / step).rounded(.toNearestOrEven))
    return sign | UInt8(min(0x7e, steps + (exponent + 6) * 8))
  }
}
