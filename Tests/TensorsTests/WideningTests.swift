import CKernels
import Tensors
import Testing

/// F16, BF16 and F32 to wider types.
@Suite struct WideningTests {
  static let patterns: [UInt16] = Array(0...UInt16.max)

  @Test(arguments: SixteenBitFormat.both)
  func everyPatternHasItsExactFloat64(format: SixteenBitFormat) {
    let widened = WideningTests.patterns.withUnsafeBytes {
      Conversion.float64(from: $0, dtype: format.dtype)
    }
    #expect(widened.count == 65_536)
    let wrong = WideningTests.patterns.filter { bits in
      let found = widened[Int(bits)]
      return format.isNaN(bits)
        ? !found.isNaN || found.sign != (bits & 0x8000 == 0 ? .plus : .minus)
        : found.bitPattern != format.value(of: bits).bitPattern
    }
    #expect(wrong.isEmpty)
  }

  @Test(arguments: SixteenBitFormat.both)
  func everyPatternHasItsExactFloat32(format: SixteenBitFormat) {
    var widened = [Float](repeating: 0, count: 65_536)
    if format.dtype == .f16 {
      rl_f16_to_f32(WideningTests.patterns, &widened, widened.count)
    } else {
      rl_bf16_to_f32(WideningTests.patterns, &widened, widened.count)
    }
    let wrong = WideningTests.patterns.filter { bits in
      let found = widened[Int(bits)]
      return format.isNaN(bits)
        ? !found.isNaN || found.sign != (bits & 0x8000 == 0 ? .plus : .minus)
        : found.bitPattern != Float(format.value(of: bits)).bitPattern
    }
    #expect(wrong.isEmpty)
  }

  @Test func valuesEveryoneKnows() {
    let half: [UInt16: Double] = [
      0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 0x1p-14, 0x03ff: 0x1.ff8p-15, 0x0001: 0x1p-24,
      0x3555: 0.333251953125,
    ]
    for (bits, value) in half { #expect(SixteenBitFormat.f16.value(of: bits) == value) }
    let brain: [UInt16: Double] = [
      0x3f80: 1, 0xc000: -2, 0x7f7f: 0x1.fep127, 0x0080: 0x1p-126, 0x0001: 0x1p-133,
      0x4049: 3.140625,
    ]
    for (bits, value) in brain { #expect(SixteenBitFormat.bf16.value(of: bits) == value) }
  }

  @Test(
    arguments: [
      0, -0.0, 1, -1.5, .leastNonzeroMagnitude, .leastNormalMagnitude, .greatestFiniteMagnitude,
      .infinity, -.infinity, 0.1,
    ] as [Float])
  func float32Widens(value: Float) {
    let widened = [value].withUnsafeBytes { Conversion.float64(from: $0, dtype: .f32) }
    #expect(widened.map(\.bitPattern) == [Double(value).bitPattern])
  }

  @Test func nanOfFloat32AndFloat64StaysNaN() {
    let single = [Float.nan, -Float.nan].withUnsafeBytes {
      Conversion.float64(from: $0, dtype: .f32)
    }
    #expect(single.map(\.isNaN) == [true, true])
    #expect(single.map(\.sign) == [.plus, .minus])
    let patterns: [UInt64] = [0x7ff0_0000_0000_0001, 0xfff8_dead_beef_0000]
    let double = patterns.withUnsafeBytes { Conversion.float64(from: $0, dtype: .f64) }
    #expect(double.map(\.bitPattern) == patterns)
  }
}
