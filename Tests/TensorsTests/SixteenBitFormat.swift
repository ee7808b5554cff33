import Tensors
import Testing

/// F16 or BF16 by its definition, worked out in float64 and by search: slow, and with nothing in
/// common with the bit tricks under test.
struct SixteenBitFormat: Sendable, CustomTestStringConvertible {
  let dtype: DType
  let exponentBits: Int
  /// The values of the patterns from 0 up to that of infinity, which counts as the next power of
  /// two: the value from whose midpoint on numbers round to infinity.
  let magnitudes: [Double]

  static let f16 = SixteenBitFormat(.f16, exponentBits: 5)
  static let bf16 = SixteenBitFormat(.bf16, exponentBits: 8)
  static let both = [f16, bf16]

  private init(_ dtype: DType, exponentBits: Int) {
    self.dtype = dtype
    self.exponentBits = exponentBits
    let mantissaBits = 15 - exponentBits
    let bias = (1 << (exponentBits - 1)) - 1
    let steps = 1 << mantissaBits
    magnitudes = (0...((1 << exponentBits) - 1) * steps).map { pattern in
      let exponent = pattern / steps
      let fraction = Double(pattern % steps) / Double(steps)
      return exponent == 0
        ? Double(sign: .plus, exponent: 1 - bias, significand: 1) * fraction
        : Double(sign: .plus, exponent: exponent - bias, significand: 1) * (1 + fraction)
    }
  }

  /// The pattern of positive infinity.
  var infinity: UInt16 { UInt16(magnitudes.count - 1) }

  /// Whether a pattern is a NaN.
  func isNaN(_ bits: UInt16) -> Bool { bits & 0x7fff > infinity }

  /// The value of a pattern, NaN for any NaN.
  func value(of bits: UInt16) -> Double {
    let magnitude = bits & 0x7fff
    if magnitude > infinity { return .nan }
    let value = magnitude == infinity ? Double.infinity : magnitudes[Int(magnitude)]
    return bits & 0x8000 == 0 ? value : -value
  }

  /// The pattern nearest to a number, the even one of two equally near; nil for NaN.
  func nearest(to x: Double) -> UInt16? {
    if x.isNaN { return nil }
    let sign: UInt16 = x.sign == .minus ? 0x8000 : 0
    // The largest pattern whose value is not above |x|.
    var low = 0
    var high = Int(infinity)
    while low < high {
      let middle = (low + high + 1) / 2
      if magnitudes[middle] <= x.magnitude { low = middle } else { high = middle - 1 }
    }
    if low == Int(infinity) { return infinity | sign }
    let midpoint = midpoint(above: low)
    let rounded =
      if x.magnitude < midpoint { low } else if x.magnitude > midpoint { low + 1 } else {
        low + low % 2
      }
    return UInt16(rounded) | sign
  }

  /// The number halfway between a pattern's value and the next, exact in float64 and float32.
  func midpoint(above pattern: Int) -> Double {
    magnitudes[pattern] / 2 + magnitudes[pattern + 1] / 2
  }

  var testDescription: String { dtype.rawValue }
}

/// A float64 number and the pattern it should have become, for messages.
struct Misrounded: Equatable, CustomStringConvertible {
  let value: Double
  let found: UInt16
  let expected: UInt16?

  var description: String {
    "\(value) -> \(String(found, radix: 16)), not \(expected.map { String($0, radix: 16) } ?? "NaN")"
  }
}
