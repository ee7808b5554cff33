import CKernels
import Tensors
import TestSupport
import Testing

/// F8_E4M3 against its definition.
@Suite struct Float8Tests {
  /// The values of the patterns from 0 to that of 448.
  static let magnitudes = (0...0x7e).map { SmallFloat.decode(UInt8($0), as: .f8E4M3) }

  static func encode(_ values: [Double]) -> [UInt8] {
    var found = [UInt8](repeating: 0, count: values.count)
    rl_f64_to_f8e4m3(values, &found, values.count)
    return found
  }

  static func encode(_ values: [Float]) -> [UInt8] {
    var found = [UInt8](repeating: 0, count: values.count)
    rl_f32_to_f8e4m3(values, &found, values.count)
    return found
  }

  @Test func decoding() {
    let patterns = [UInt8](0...255)
    var (single, double) = ([Float](repeating: 0, count: 256), [Double](repeating: 0, count: 256))
    rl_f8e4m3_to_f32(patterns, &single, 256)
    rl_f8e4m3_to_f64(patterns, &double, 256)
    for pattern in patterns {
      let expected = SmallFloat.decode(pattern, as: .f8E4M3)
      #expect(FoldKernelTests.isSame(double[Int(pattern)], expected))
      #expect(FoldKernelTests.isSame(Double(single[Int(pattern)]), expected))
    }
  }

  @Test func encodingIsToNearestAndEven() {
    for (pattern, (low, high)) in zip(
      Float8Tests.magnitudes, Float8Tests.magnitudes.dropFirst()
    ).enumerated() {
      let middle = (low + high) / 2
      let even = UInt8(pattern + pattern % 2)
      let cases: [(Double, UInt8)] = [
        (low, UInt8(pattern)), (middle.nextDown, UInt8(pattern)), (middle, even),
        (middle.nextUp, UInt8(pattern + 1)), (high, UInt8(pattern + 1)),
      ]
      #expect(Float8Tests.encode(cases.map(\.0)) == cases.map(\.1))
      #expect(Float8Tests.encode(cases.map { -$0.0 }) == cases.map { $0.1 | 0x80 })
      let singles: [(Float, UInt8)] = [
        (Float(middle).nextDown, UInt8(pattern)), (Float(middle), even),
        (Float(middle).nextUp, UInt8(pattern + 1)),
      ]
      #expect(Float8Tests.encode(singles.map(\.0)) == singles.map(\.1))
      #expect(Float8Tests.encode(singles.map { -$0.0 }) == singles.map { $0.1 | 0x80 })
    }
  }

  @Test func largeValuesSaturateAndNaNStays() {
    let large: [Double] = [449, 464, 465, 480, 1e30, 1e300, .infinity]
    #expect(Float8Tests.encode(large).allSatisfy { $0 == 0x7e })
    #expect(Float8Tests.encode(large.map(-)).allSatisfy { $0 == 0xfe })
    #expect(Float8Tests.encode(large.map { Float($0) }).allSatisfy { $0 == 0x7e })
    #expect(Float8Tests.encode([Double.nan, .signalingNaN]).allSatisfy { $0 & 0x7f == 0x7f })
    #expect(Float8Tests.encode([Float.nan, .signalingNaN]).allSatisfy { $0 & 0x7f == 0x7f })
    #expect(Float8Tests.encode([0x1p-1074, -0x1p-1074, 0x1p-10]) == [0, 0x80, 0])
  }

  @Test func blocksComeBackWithinTheirUnit() {
    var generator = SeededGenerator(seed: 8)
    let (rows, columns, stride) = (5, 7, 11)
    let values = generator.values(rows * stride)
    let maximum = rl_block_maximum(values, rows, columns, stride)
    let block = (0..<rows).flatMap { r in (0..<columns).map { values[r * stride + $0] } }
    #expect(maximum == block.map(\.magnitude).max())
    let scale = maximum / 448
    var stored = [UInt8](repeating: 0, count: rows * columns)
    rl_quantise_block(values, stride, scale, &stored, columns, rows, columns)
    #expect(stored == Float8Tests.encode(block.map { $0 / scale }))
    #expect(stored.contains { $0 & 0x7f == 0x7e })
    var back = [Double](repeating: 0, count: rows * stride)
    rl_dequantise_block(stored, columns, scale, &back, stride, rows, columns)
    for r in 0..<rows {
      for c in 0..<columns {
        #expect(
          back[r * stride + c] == SmallFloat.decode(stored[r * columns + c], as: .f8E4M3) * scale)
      }
    }
    #expect(rl_block_maximum([1, .nan, 3], 1, 3, 3).isNaN)
    #expect(rl_block_maximum([1, -.infinity, 3], 1, 3, 3) == .infinity)
    #expect(rl_block_maximum([], 0, 3, 3) == 0)
  }
}
