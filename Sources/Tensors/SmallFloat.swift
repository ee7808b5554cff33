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
