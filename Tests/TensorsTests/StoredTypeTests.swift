import Tensors
import TestSupport
import Testing

/// 8-bit floats, integers, and buffers that lie anywhere.
@Suite struct StoredTypeTests {
  /// An 8-bit float type with sign, by facts that its definition states.
  struct EightBitFormat: Sendable, CustomTestStringConvertible {
    let dtype: DType
    let mantissaBits: Int
    /// The value of pattern 1.
    let smallest: Double
    /// The largest finite value and its pattern.
    let largest: Double
    let largestPattern: Int
    let nan: Set<Int>
    let infinities: [Int: Double]
    var testDescription: String { dtype.rawValue }

    static let all = [
      EightBitFormat(
        dtype: .f8E4M3, mantissaBits: 3, smallest: 0x1p-9, largest: 448, largestPattern: 0x7e,
        nan: [0x7f, 0xff], infinities: [:]),
      EightBitFormat(
        dtype: .f8E5M2, mantissaBits: 2, smallest: 0x1p-16, largest: 57344, largestPattern: 0x7b,
        nan: [0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff], infinities: [0x7c: .infinity, 0xfc: -.infinity]),
      EightBitFormat(
        dtype: .f8E4M3FNUZ, mantissaBits: 3, smallest: 0x1p-10, largest: 240, largestPattern: 0x7f,
        nan: [0x80], infinities: [:]),
      EightBitFormat(
        dtype: .f8E5M2FNUZ, mantissaBits: 2, smallest: 0x1p-17, largest: 57344,
        largestPattern: 0x7f, nan: [0x80], infinities: [:]),
    ]
  }

  static let bytes = (0...255).map { UInt8($0) }

  static func decode(_ dtype: DType) -> [Double] {
    bytes.withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
  }

  /// The oracle walks up from zero: values are `smallest` apart through the subnormals and the
  /// first normal exponent, and the distance doubles with each exponent after that.
  @Test(arguments: EightBitFormat.all)
  func eightBitFloatsAreSpacedByTheirExponent(format: EightBitFormat) {
    let decoded = StoredTypeTests.decode(format.dtype)
    var value = 0.0
    for pattern in 0...format.largestPattern {
      #expect(decoded[pattern].bitPattern == value.bitPattern)
      if !format.nan.contains(pattern + 0x80) {
        #expect(decoded[pattern + 0x80].bitPattern == (-value).bitPattern)
      }
      let doublings = max(0, (pattern >> format.mantissaBits) - 1)
      value += format.smallest * Double(1 << doublings)
    }
    #expect(decoded[format.largestPattern] == format.largest)
    for pattern in 0...255 {
      #expect(decoded[pattern].isNaN == format.nan.contains(pattern))
      #expect(decoded[pattern].isInfinite == (format.infinities[pattern] != nil))
    }
    for (pattern, infinity) in format.infinities { #expect(decoded[pattern] == infinity) }
  }

  @Test func fiveExponentBitsAreTheUpperHalfOfAnIEEEHalf() {
    let halves = StoredTypeTests.bytes.map { SixteenBitFormat.f16.value(of: UInt16($0) << 8) }
    let decoded = StoredTypeTests.decode(.f8E5M2)
    #expect(zip(decoded, halves).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
  }

  @Test func scalesArePowersOfTwo() {
    let decoded = StoredTypeTests.decode(.f8E8M0)
    var expected = 0x1p-127
    for pattern in 0..<255 {
      #expect(decoded[pattern] == expected)
      expected *= 2
    }
    #expect(decoded[255].isNaN)
  }

  @Test func integersOfEveryWidthDecode() {
    func decode(_ values: [some FixedWidthInteger & BitwiseCopyable], _ dtype: DType) -> [Double] {
      values.withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
    }
    #expect(decode([UInt8(0), 1], .bool) == [0, 1])
    #expect(decode([UInt8(0), 200, 255], .u8) == [0, 200, 255])
    #expect(decode([Int8.min, -1, Int8.max], .i8) == [-128, -1, 127])
    #expect(decode([UInt16.min, .max], .u16) == [0, 65535])
    #expect(decode([Int16.min, -1, .max], .i16) == [-32768, -1, 32767])
    #expect(decode([UInt32.min, .max], .u32) == [0, 4_294_967_295])
    #expect(decode([Int32.min, -1, .max], .i32) == [-2_147_483_648, -1, 2_147_483_647])
    #expect(decode([UInt64.max, 1 << 53], .u64) == [0x1p64, 0x1p53])
    #expect(
      decode([Int64.min, -1, (1 << 53) + 1, (1 << 53) + 3], .i64) == [
        -0x1p63, -1, 0x1p53, 0x1p53 + 4,
      ])
  }

  @Test(arguments: DType.allCases.filter(Conversion.isDecodable))
  func everyDecodableTypeReadsTheSameAtAnyAddress(dtype: DType) {
    var generator = SeededGenerator(seed: 8)
    let content = (0..<24 * 8).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    let aligned = content.withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) }
    #expect(aligned.count == content.count * 8 / dtype.bitWidth)
    for shift in 1...8 {
      let shifted = [UInt8](repeating: 0xaa, count: shift) + content
      let found = shifted.withUnsafeBytes {
        Conversion.float64(from: UnsafeRawBufferPointer(rebasing: $0[shift...]), dtype: dtype)
      }
      #expect(found.map(\.bitPattern) == aligned.map(\.bitPattern))
    }
  }

  @Test(arguments: [DType.f16, .bf16, .f32, .f64])
  func everyArithmeticTypeIsWrittenTheSameAtAnyAddress(dtype: DType) {
    var generator = SeededGenerator(seed: 9)
    let values = generator.values(33)
    let expected = Conversion.bytes(from: values, dtype: dtype)
    #expect(expected.count == 33 * dtype.elementByteCount)
    for shift in 1...8 {
      var target = [UInt8](repeating: 0xaa, count: shift + expected.count + 8)
      target.withUnsafeMutableBytes { raw in
        let room = UnsafeMutableRawBufferPointer(rebasing: raw[shift..<(shift + expected.count)])
        values.withUnsafeBufferPointer { Conversion.encode($0, dtype: dtype, into: room) }
      }
      let untouched = [UInt8](repeating: 0xaa, count: shift)
      #expect(target == untouched + expected + [UInt8](repeating: 0xaa, count: 8))
    }
  }

  @Test(arguments: DType.allCases.filter(Conversion.isDecodable))
  func noBytesAreNoElements(dtype: DType) {
    #expect([UInt8]().withUnsafeBytes { Conversion.float64(from: $0, dtype: dtype) } == [])
    if dtype.isArithmetic { #expect(Conversion.bytes(from: [], dtype: dtype) == []) }
  }
}
