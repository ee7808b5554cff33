import CKernels
import TestSupport
import Testing

/// Products and dot products in float64 at every dispatch level of this machine.
@Suite struct DenseKernelTests {
  static let sizes = [1, 3, 4, 5, 15, 16, 17, 33]

  @Test(arguments: sizes, sizes)
  func productsAddTheirTermsInOrder(m: Int, n: Int) {
    for k in [0, 1, 2, 7, 16] {
      for (gapY, gapC) in [(0, 0), (3, 5)] {
        for accumulate in [false, true] {
          check(m: m, k: k, n: n, yStride: n + gapY, cStride: n + gapC, accumulate: accumulate)
        }
      }
    }
  }

  private func check(m: Int, k: Int, n: Int, yStride: Int, cStride: Int, accumulate: Bool) {
    var generator = SeededGenerator(seed: UInt64(m * 10_000 + k * 100 + n))
    let x = generator.values(m * k)
    let y = generator.values(k * yStride)
    let start = generator.values(m * cStride)
    var expected = start
    for i in 0..<m {
      for c in 0..<n {
        var sum = accumulate ? start[i * cStride + c] : 0
        for j in 0..<k {
          let product = x[i * k + j] * y[j * yStride + c]
          sum = sum + product
        }
        expected[i * cStride + c] = sum
      }
    }
    for level in DispatchLevels.available {
      var found = start
      rl_multiply_f64(level, x, y, &found, m, k, n, yStride, cStride, accumulate ? 1 : 0)
      #expect(
        found.map(\.bitPattern) == expected.map(\.bitPattern),
        "k \(k), strides \(yStride) \(cStride), accumulate \(accumulate), level \(level.rawValue)")
    }
  }

  @Test(arguments: [0, 1, 2, 127, 128, 129, 300], sizes)
  func gramMatricesAddTheirTermsInOrder(m: Int, n: Int) {
    var generator = SeededGenerator(seed: UInt64(m * 100 + n))
    let x = generator.values(m * n)
    var transposed = [Double](repeating: 0, count: m * n)
    for i in 0..<m {
      for j in 0..<n { transposed[j * m + i] = x[i * n + j] }
    }
    for level in DispatchLevels.available {
      var expected = [Double](repeating: 0, count: n * n)
      var found = [Double](repeating: 7, count: n * n)
      rl_multiply_f64(level, transposed, x, &expected, n, m, n, n, n, 0)
      rl_gram_f64(level, x, m, n, &found)
      #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "level \(level.rawValue)")
    }
  }

  @Test(arguments: [0, 1, 2, 15, 16, 17, 31, 32, 33, 100, 1000])
  func dotProductsAddSixteenLanesInOrder(count: Int) {
    var generator = SeededGenerator(seed: UInt64(count))
    let x = generator.values(count)
    let y = generator.values(count)
    var lanes = [Double](repeating: 0, count: 16)
    var naive = 0.0
    var size = 0.0
    for i in 0..<count {
      let product = x[i] * y[i]
      lanes[i % 16] += product
      naive += product
      size += product.magnitude
    }
    let expected = lanes.reduce(0, +)
    for level in DispatchLevels.available {
      let found = rl_dot_f64(level, x, y, count)
      #expect(found.bitPattern == expected.bitPattern, "level \(level.rawValue)")
      #expect((found - naive).magnitude <= 1e-15 * Double(count) * size)
    }
  }
}
