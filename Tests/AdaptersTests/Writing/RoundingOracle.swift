import Tensors

/// Rounding to nearest, ties to even, by search among all values that a format has; none of the
/// code under test is used.
enum RoundingOracle {
  /// What `value` becomes; an infinity where it is beyond the largest number by half a step.
  static func rounded(_ value: Double, to dtype: DType) -> Double {
    switch dtype {
    case .f64: return value
    case .f32: return Double(Float(value))
    case .f16: return nearest(value, among: halves, beyond: 65520)
    case .bf16:
      return nearest(value, among: upperHalves, beyond: 0x1.ffp127)
    default: preconditionFailure("\(dtype) is no float")
    }
  }

  private static func nearest(_ value: Double, among values: [Double], beyond: Double) -> Double {
    if !value.isFinite { return value }
    let size = abs(value)
    if size >= beyond { return value < 0 ? -.infinity : .infinity }
    var (low, high) = (0, values.count - 1)
    while low < high {
      let middle = (low + high + 1) / 2
      if values[middle] <= size { low = middle } else { high = middle - 1 }
    }
    var chosen = low
    if low + 1 < values.count {
      // Differences of neighbours are exact in float64.
      let (down, up) = (size - values[low], values[low + 1] - size)
      // The position is the bit pattern, so that of the even mantissa is even.
      if up < down || up == down && low % 2 == 1 { chosen = low + 1 }
    }
    return value.sign == .minus ? -values[chosen] : values[chosen]
  }

  /// The finite values of binary16 from 0 on, by bit pattern.
  private static let halves = finite(exponentBits: 5, mantissaBits: 10)
  /// Those of bfloat16.
  private static let upperHalves = finite(exponentBits: 8, mantissaBits: 7)

  private static func finite(exponentBits: Int, mantissaBits: Int) -> [Double] {
    let bias = 1 << (exponentBits - 1) - 1
    let steps = 1 << mantissaBits
    return (0..<((1 << exponentBits - 1) * steps)).map { pattern in
      let (exponent, mantissa) = (pattern / steps, pattern % steps)
      return exponent == 0
        ? scalbn(Double(mantissa), 1 - bias - mantissaBits)
        : scalbn(Double(steps + mantissa), exponent - bias - mantissaBits)
    }
  }

  private static func scalbn(_ value: Double, _ exponent: Int) -> Double {
    value * Double(sign: .plus, exponent: exponent, significand: 1)
  }
}
