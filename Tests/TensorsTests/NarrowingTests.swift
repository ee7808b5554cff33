import CKernels
import Tensors
import TestSupport
import Testing

/// Float64 and float32 to F16 and BF16: one rounding, to nearest, ties to even.
@Suite struct NarrowingTests {
  static let patterns: [UInt16] = Array(0...UInt16.max)

  static func narrow(_ values: [Double], to format: SixteenBitFormat) -> [UInt16] {
    let bytes = Conversion.bytes(from: values, dtype: format.dtype)
    return bytes.withUnsafeBytes { raw in
      values.indices.map { raw.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self) }
    }
  }

  static func narrow(_ values: [Float], to format: SixteenBitFormat) -> [UInt16] {
    var narrowed = [UInt16](repeating: 0, count: values.count)
    if format.dtype == .f16 {
      rl_f32_to_f16(values, &narrowed, values.count)
    } else {
      rl_f32_to_bf16(values, &narrowed, values.count)
    }
    return narrowed
  }

  /// What becomes another pattern than the oracle's, from float64, and from float32 where the
  /// numbers are exact there.
  static func misrounded(
    _ values: [Double], in format: SixteenBitFormat, exactInFloat32: Bool
  ) -> [Misrounded] {
    var found = [narrow(values, to: format)]
    if exactInFloat32 { found.append(narrow(values.map { Float($0) }, to: format)) }
    var wrong: [Misrounded] = []
    for (i, value) in values.enumerated() {
      let expected = format.nearest(to: value)
      for found in found where expected.map({ $0 != found[i] }) ?? !format.isNaN(found[i]) {
        wrong.append(Misrounded(value: value, found: found[i], expected: expected))
      }
    }
    return Array(wrong.prefix(20))
  }

  @Test(arguments: SixteenBitFormat.both)
  func everyRepresentableValueKeepsItsBits(format: SixteenBitFormat) {
    let kept = NarrowingTests.patterns.filter { !format.isNaN($0) }
    let values = kept.map(format.value(of:))
    #expect(NarrowingTests.narrow(values, to: format) == kept)
    #expect(NarrowingTests.narrow(values.map { Float($0) }, to: format) == kept)
  }

  @Test(arguments: SixteenBitFormat.both)
  func midpointsGoToTheEvenNeighbour(format: SixteenBitFormat) {
    let pairs = 0..<Int(format.infinity)
    let midpoints = pairs.map(format.midpoint(above:))
    #expect(midpoints.allSatisfy { Double(Float($0)) == $0 })
    let even = pairs.map { UInt16($0 + $0 % 2) }
    for sign in [UInt16(0), 0x8000] {
      let signed = sign == 0 ? midpoints : midpoints.map { -$0 }
      let expected = even.map { $0 | sign }
      #expect(NarrowingTests.narrow(signed, to: format) == expected)
      #expect(NarrowingTests.narrow(signed.map { Float($0) }, to: format) == expected)
    }
  }

  @Test(arguments: SixteenBitFormat.both)
  func oneUnitBesideAMidpointGoesToTheNearerNeighbour(format: SixteenBitFormat) {
    let pairs = 0..<Int(format.infinity)
    let midpoints = pairs.map(format.midpoint(above:))
    let single = midpoints.map { Float($0) }
    let below = pairs.map { UInt16($0) }
    let above = pairs.map { UInt16($0 + 1) }
    #expect(NarrowingTests.narrow(midpoints.map(\.nextDown), to: format) == below)
    #expect(NarrowingTests.narrow(midpoints.map(\.nextUp), to: format) == above)
    #expect(NarrowingTests.narrow(single.map(\.nextDown), to: format) == below)
    #expect(NarrowingTests.narrow(single.map(\.nextUp), to: format) == above)
    #expect(
      NarrowingTests.narrow(midpoints.map { -$0.nextUp }, to: format) == above.map { $0 | 0x8000 })
  }

  @Test func overflowBeginsAtHalfAUnitBeyondTheLargest() {
    let half: [Double] = [65504, (65520.0).nextDown, 65520, 65536, 1e300, .infinity]
    #expect(
      NarrowingTests.narrow(half, to: .f16) == [0x7bff, 0x7bff, 0x7c00, 0x7c00, 0x7c00, 0x7c00])
    let brain: [Double] = [
      0x1.fep127, (0x1.ffp127).nextDown, 0x1.ffp127, 0x1p128, 1e300, -.infinity,
    ]
    #expect(
      NarrowingTests.narrow(brain, to: .bf16) == [0x7f7f, 0x7f7f, 0x7f80, 0x7f80, 0x7f80, 0xff80])
    let largest = [Float.greatestFiniteMagnitude, -.greatestFiniteMagnitude]
    #expect(NarrowingTests.narrow(largest, to: .bf16) == [0x7f80, 0xff80])
    #expect(NarrowingTests.narrow(largest, to: .f16) == [0x7c00, 0xfc00])
  }

  @Test(arguments: SixteenBitFormat.both)
  func whatIsTooSmallBecomesAZeroOfItsSign(format: SixteenBitFormat) {
    let tiny = format.midpoint(above: 0)
    let values = [0, tiny, tiny / 2, .leastNormalMagnitude, .leastNonzeroMagnitude]
    let zeros = [UInt16](repeating: 0, count: values.count)
    #expect(NarrowingTests.narrow(values, to: format) == zeros)
    #expect(NarrowingTests.narrow(values.map { -$0 }, to: format) == zeros.map { $0 | 0x8000 })
    let single: [Float] = [0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude]
    #expect(NarrowingTests.narrow(single, to: format) == [0, 0x8000, 0, 0x8000])
  }

  @Test(arguments: SixteenBitFormat.both)
  func nanStaysNaNWithItsSign(format: SixteenBitFormat) {
    // Quiet and signalling, the payload in high or low bits only.
    let payloads: [UInt64] = [
      0x8_0000_0000_0000, 0x4_0000_0000_0000, 1, 0xf_ffff_ffff_ffff, 0x1000_0000,
    ]
    for sign in [UInt64(0), 1 << 63] {
      let doubles = payloads.map { Double(bitPattern: sign | 0x7ff0_0000_0000_0000 | $0) }
      let singles = [0x40_0000, 0x20_0000, 1, 0x7f_ffff, 0x1000].map {
        Float(bitPattern: UInt32(sign >> 32) | 0x7f80_0000 | $0)
      }
      for found in NarrowingTests.narrow(doubles, to: format)
        + NarrowingTests.narrow(singles, to: format)
      {
        #expect(format.isNaN(found))
        #expect(found & 0x8000 == UInt16(sign >> 48))
      }
    }
  }

  @Test(arguments: SixteenBitFormat.both)
  func randomFloat64RoundsAsTheOracleSays(format: SixteenBitFormat) {
    var generator = SeededGenerator(seed: 16)
    let exponents =
      -3 + format.magnitudes[1].exponent...2 + format.magnitudes[Int(format.infinity)].exponent
    let values = (0..<200_000).map { i -> Double in
      let bits: UInt64 = generator.next()
      guard i % 4 != 0 else { return Double(bitPattern: bits) }
      // Inside the range of the type; every second with few bits, so that ties occur.
      let mantissa = i % 2 == 0 ? bits : bits & 0xffe0_0000_0000_0000
      return Double(
        sign: bits & 1 == 0 ? .plus : .minus,
        exponent: Int.random(in: exponents, using: &generator),
        significand: 1 + Double(mantissa >> 12) * 0x1p-52)
    }
    #expect(NarrowingTests.misrounded(values, in: format, exactInFloat32: false) == [])
  }

  @Test(arguments: SixteenBitFormat.both)
  func randomSubnormalsRoundAsTheOracleSays(format: SixteenBitFormat) {
    var generator = SeededGenerator(seed: 17)
    let unit = format.magnitudes[1]
    let values = (0..<50_000).map { i -> Double in
      let units = Double.random(in: -40...40, using: &generator)
      // Every second one an odd multiple of a quarter unit, ties among them.
      return (i % 2 == 0 ? units : (units * 4).rounded() / 4) * unit
    }
    #expect(NarrowingTests.misrounded(values, in: format, exactInFloat32: false) == [])
  }

  @Test(arguments: SixteenBitFormat.both)
  func randomFloat32RoundsAsTheOracleSays(format: SixteenBitFormat) {
    var generator = SeededGenerator(seed: 18)
    let values = (0..<200_000).map { _ in
      Double(Float(bitPattern: UInt32(truncatingIfNeeded: generator.next())))
    }
    #expect(NarrowingTests.misrounded(values, in: format, exactInFloat32: true) == [])
  }

  /// Numbers a little above a midpoint, which float32 would take for the midpoint itself.
  @Test func float64IsNotRoundedTwice() {
    let half = 1 + 0x1p-11 + 0x1p-40
    #expect(Double(Float(half)) == 1 + 0x1p-11)
    #expect(NarrowingTests.narrow([half, -half], to: .f16) == [0x3c01, 0xbc01])
    #expect(NarrowingTests.narrow([Float(half)], to: .f16) == [0x3c00])
    let brain = 1 + 0x1p-8 + 0x1p-40
    #expect(NarrowingTests.narrow([brain, -brain], to: .bf16) == [0x3f81, 0xbf81])
    #expect(NarrowingTests.narrow([Float(brain)], to: .bf16) == [0x3f80])
    // The same in the subnormals: 1.5 units less a hair.
    let small = 0x1.8p-133 - 0x1p-180
    #expect(NarrowingTests.narrow([small], to: .bf16) == [0x0001])
    #expect(NarrowingTests.narrow([0x1.8p-24 - 0x1p-70], to: .f16) == [0x0001])
  }

  @Test func float32FromFloat64IsSwiftsConversion() {
    var generator = SeededGenerator(seed: 32)
    let values =
      (0..<200_000).map { i -> Double in
        let bits: UInt64 = generator.next()
        guard i % 2 == 0 else { return Double(bitPattern: bits) }
        return Double(
          sign: .minus, exponent: Int.random(in: -152...129, using: &generator),
          significand: 1 + Double(bits >> 12 & ~0xfff_ffff) * 0x1p-52)
      } + [0, -0.0, .infinity, -.infinity, 0x1.ffffffp127, (0x1.ffffffp127).nextDown, 0x1p-150]
    let bytes = Conversion.bytes(from: values, dtype: .f32)
    let narrowed = bytes.withUnsafeBytes { raw in
      values.indices.map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }
    let wrong = values.indices.filter {
      values[$0].isNaN
        ? !narrowed[$0].isNaN || narrowed[$0].sign != values[$0].sign
        : narrowed[$0].bitPattern != Float(values[$0]).bitPattern
    }
    #expect(wrong.isEmpty)
  }

  @Test func float64KeepsEveryBit() {
    var generator = SeededGenerator(seed: 64)
    let patterns = (0..<1000).map { _ in generator.next() } + [0x7ff0_0000_0000_0001, 1 << 63]
    let bytes = Conversion.bytes(from: patterns.map { Double(bitPattern: $0) }, dtype: .f64)
    let back = bytes.withUnsafeBytes { Conversion.float64(from: $0, dtype: .f64) }
    #expect(back.map(\.bitPattern) == patterns)
  }
}
