import Tensors
import TestSupport
import Testing

/// What a weight is measured against, and the sums over its rows (Merging §4.5).
@Suite struct MeasuringFactorsTests {
  private static func matrix(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Matrix {
    var generator = SeededGenerator(seed: seed)
    return Matrix(rows: rows, columns: columns, values: generator.values(rows * columns))
  }

  @Test(arguments: [(5, 7, 1, 1), (9, 40, 3, 2), (12, 33, 8, 4)])
  func gramIsThatOfFormedProducts(rows: Int, columns: Int, rank: Int, count: Int) {
    let left = Self.matrix(rows, rank, 1)
    let rights = (0..<count).map { Self.matrix(rank, columns, UInt64(2 + $0)) }
    let factors = MeasuringFactors(left: left, rights: rights)
    let products = rights.map { left.times($0) }
    for k in 0..<count {
      for l in 0..<count {
        let expected = zip(products[k].values, products[l].values).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(factors.gram[k][l] - expected) <= 1e-12 * Double(rows * columns))
        #expect(factors.gram[k][l].bitPattern == factors.gram[l][k].bitPattern)
      }
    }
  }

  @Test(arguments: [DType.bf16, .f16, .f32, .f64])
  func sumsOfRowsAddUpToThoseOfTheWeight(dtype: DType) throws {
    let (rows, columns, rank) = (37, 21, 3)
    let left = Self.matrix(rows, rank, 1)
    let rights = [Self.matrix(rank, columns, 2), Self.matrix(rank, columns, 3)]
    let factors = MeasuringFactors(left: left, rights: rights)
    let bytes = Conversion.bytes(from: Self.matrix(rows, columns, 4).values, dtype: dtype)
    let rowBytes = columns * dtype.elementByteCount
    bytes.withUnsafeBytes { bytes in
      func sums(_ range: Range<Int>) -> TileSums {
        factors.sums(
          of: UnsafeRawBufferPointer(
            rebasing: bytes[(range.lowerBound * rowBytes)..<(range.upperBound * rowBytes)]),
          dtype: dtype, rows: range)
      }
      let w = Matrix(
        rows: rows, columns: columns, values: Conversion.float64(from: bytes, dtype: dtype))
      let parts = [sums(0..<20), sums(20..<21), sums(21..<37)]
      let whole = sums(0..<rows)
      #expect(whole.isFinite && parts.allSatisfy(\.isFinite))
      #expect(abs(whole.squaredNorm - w.dot(w)) < 1e-11)
      #expect(abs(parts.reduce(0) { $0 + $1.squaredNorm } - whole.squaredNorm) < 1e-11)
      for k in rights.indices {
        let expected = left.transposed.times(w).dot(rights[k])
        #expect(abs(whole.cross[k] - expected) < 1e-11)
        #expect(abs(parts.reduce(0) { $0 + $1.cross[k] } - expected) < 1e-11)
      }
    }
  }

  @Test func whatIsNotFiniteIsSaid() {
    let factors = MeasuringFactors(
      left: Self.matrix(2, 1, 1), rights: [Self.matrix(1, 3, 2)])
    for (value, isFinite) in [(1.0, true), (.nan, false), (.infinity, false)] {
      let bytes = Conversion.bytes(from: [0, 1, 2, 3, value, 5], dtype: .f32)
      let sums = bytes.withUnsafeBytes { factors.sums(of: $0, dtype: .f32, rows: 0..<2) }
      #expect(sums.isFinite == isFinite)
    }
  }
}
