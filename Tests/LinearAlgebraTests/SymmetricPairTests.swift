import LinearAlgebra
import Tensors
import TestSupport
import Testing

/// Sums of products, the tiled Cholesky factorisation and what is solved with it, against plain
/// loops; 600 is more than a tile, 40 less.
@Suite struct SymmetricPairTests {
  /// A pair whose matrices are the sums over two sets of random rows, and those rows.
  private struct Sample {
    let pair: SymmetricPair
    let first: Matrix
    let second: Matrix

    init(size: Int, threads: Int) throws {
      var generator = SeededGenerator(seed: UInt64(size))
      first = Matrix(rows: size + 20, columns: size, values: generator.values((size + 20) * size))
      second = Matrix(rows: 7, columns: size, values: generator.values(7 * size))
      pair = try SymmetricPair(size: size)
      // In two parts, so that sums are added to.
      for (rows, half) in [(0..<11, SymmetricPair.Half.lower), (11..<(size + 20), .lower)] {
        try Sample.add(first, rows, to: pair, half, threads)
      }
      try Sample.add(second, 0..<7, to: pair, .upper, threads)
    }

    static func add(
      _ x: Matrix, _ rows: Range<Int>, to pair: SymmetricPair, _ half: SymmetricPair.Half,
      _ threads: Int
    ) throws {
      try x.values.withUnsafeBufferPointer { values in
        let start = try #require(values.baseAddress) + rows.lowerBound * x.columns
        try pair.addProducts(
          of: MatrixView(start, stride: x.columns), count: rows.count, to: half, threads: threads)
      }
    }

    /// `Σ x (x · y)` by loops.
    static func product(_ x: Matrix, _ y: [Double]) -> [Double] {
      var result = [Double](repeating: 0, count: x.columns)
      for row in 0..<x.rows {
        let values = x.values[(row * x.columns)..<((row + 1) * x.columns)]
        let dot = zip(values, y).reduce(0) { $0 + $1.0 * $1.1 }
        for (i, value) in values.enumerated() { result[i] += value * dot }
      }
      return result
    }
  }

  @Test(
    "products with both halves are those of the rows they were summed over", arguments: [40, 600])
  func products(_ size: Int) throws {
    let sample = try Sample(size: size, threads: 2)
    var generator = SeededGenerator(seed: 9)
    let y = generator.values(2 * size)
    for (half, rows) in [(SymmetricPair.Half.lower, sample.first), (.upper, sample.second)] {
      var result = [Double](repeating: 0, count: 2 * size)
      try sample.pair.times(half, rows: y, count: 2, into: &result, threads: 2)
      let expected =
        Sample.product(rows, Array(y[..<size])) + Sample.product(rows, Array(y[size...]))
      let scale = expected.map(abs).max() ?? 1
      for (found, value) in zip(result, expected) { #expect(abs(found - value) < 1e-12 * scale) }
      let trace = rows.values.reduce(0) { $0 + $1 * $1 }
      #expect(abs(sample.pair.trace(half) - trace) < 1e-12 * trace)
    }
  }

  @Test("a difference is factorised and solved", arguments: [40, 600], [1, 2])
  func solving(_ size: Int, _ threads: Int) throws {
    let sample = try Sample(size: size, threads: threads)
    let system = try SymmetricPair(size: size)
    try system.setLower(from: sample.pair, subtracting: true, shift: 2000, threads: threads)
    try system.factorise(threads: threads)
    var generator = SeededGenerator(seed: 5)
    let right = generator.values(3 * size)
    var solution = right
    try system.solve(&solution, count: 3, threads: threads)
    for row in 0..<3 {
      let y = Array(solution[(row * size)..<((row + 1) * size)])
      let first = Sample.product(sample.first, y)
      let second = Sample.product(sample.second, y)
      for i in 0..<size {
        #expect(abs(first[i] - second[i] + 2000 * y[i] - right[row * size + i]) < 1e-9)
      }
    }
  }

  @Test("the largest eigenvalue is that of the singular value decomposition")
  func eigenvalue() throws {
    // Rows with a mean, as inputs have: one eigenvalue stands clear of the others.
    var generator = SeededGenerator(seed: 3)
    let rows = Matrix(rows: 60, columns: 40, values: generator.values(60 * 40).map { $0 + 1 })
    let pair = try SymmetricPair(size: 40)
    try Sample.add(rows, 0..<60, to: pair, .lower, 1)
    let sigma = try Factorisation.svd(rows).sigma[0]
    #expect(abs(pair.largestEigenvalue(.lower) - sigma * sigma) < 1e-6 * sigma * sigma)
    #expect(try SymmetricPair(size: 3).largestEigenvalue(.upper) == 0)
  }

  @Test("bits do not depend on the number of threads")
  func threads() throws {
    let results = try [1, 2, 3].map { threads -> [Double] in
      let sample = try Sample(size: 600, threads: threads)
      let system = try SymmetricPair(size: 600)
      try system.setLower(from: sample.pair, subtracting: true, shift: 1000, threads: threads)
      try system.factorise(threads: threads)
      var solution = [Double](repeating: 1, count: 600)
      try system.solve(&solution, count: 1, threads: threads)
      return solution
    }
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
  }

  @Test("a half that is cleared leaves the other")
  func clearing() throws {
    let sample = try Sample(size: 40, threads: 1)
    let trace = sample.pair.trace(.lower)
    sample.pair.clear(.upper)
    #expect(sample.pair.trace(.upper) == 0)
    #expect(sample.pair.trace(.lower) == trace)
    sample.pair.clear(.lower)
    #expect(sample.pair.trace(.lower) == 0)
  }

  @Test("what is not positive definite is refused")
  func indefinite() throws {
    let system = try SymmetricPair(size: 600)
    try system.setLower(
      from: SymmetricPair(size: 600), subtracting: false, shift: -1, threads: 1)
    #expect(throws: LinearAlgebraError.notPositiveDefinite(size: 600)) {
      try system.factorise(threads: 1)
    }
  }
}
