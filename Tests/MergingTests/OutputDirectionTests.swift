import ByteIO
import LinearAlgebra
import Merging
import Tensors
import TestSupport
import Testing

/// The coordinates in which a fit's error is a sum of squares (Replay §7).
@Suite struct OutputDirectionTests {
  private func matrix(_ rows: Int, _ columns: Int, seed: UInt64 = 3) -> Matrix {
    var generator = SeededGenerator(seed: seed)
    return Matrix(rows: rows, columns: columns, values: generator.values(rows * columns))
  }

  @Test(
    "they are the right singular vectors", arguments: [(40, 8), (8, 8), (3, 8), (5, 1), (64, 48)])
  func singularVectors(_ rows: Int, _ columns: Int) throws {
    let left = matrix(rows, columns)
    let found = OutputDirections(of: left)
    let (_, sigma, vectors) = try Factorisation.svd(left)
    #expect(found.weights.count == min(rows, columns))
    for (position, value) in sigma.enumerated() {
      #expect(abs(found.weights[position].squareRoot() - value) < 1e-12 * sigma[0])
      // But for the sign.
      let product = (0..<columns).reduce(0) {
        $0 + found.rotation[position, $1] * vectors[position, $1]
      }
      #expect(abs(abs(product) - 1) < 1e-9)
    }
    expectOrthonormal(found.rotation)
  }

  private func expectOrthonormal(
    _ rows: Matrix, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    for i in 0..<rows.rows {
      for j in 0...i {
        let product = (0..<rows.columns).reduce(0) { $0 + rows[i, $1] * rows[j, $1] }
        #expect(abs(product - (i == j ? 1 : 0)) < 1e-13, sourceLocation: sourceLocation)
      }
    }
  }

  @Test("equal, vanishing and far apart singular values leave them orthonormal")
  func degenerate() {
    var same = Matrix(rows: 12, columns: 6)
    for i in 0..<6 { same[2 * i, i] = 3 }
    #expect(OutputDirections(of: same).weights == [Double](repeating: 9, count: 6))
    expectOrthonormal(OutputDirections(of: same).rotation)
    let none = OutputDirections(of: Matrix(rows: 5, columns: 4))
    #expect(none.weights == [0, 0, 0, 0])
    expectOrthonormal(none.rotation)
    // One direction three times, and one of 1e-8 of its size.
    let one = matrix(30, 1)
    let other = matrix(30, 1, seed: 4).scaled(by: 1e-8)
    let low = OutputDirections(of: .stackedColumns([one, one, other, one.scaled(by: 1e6)]))
    #expect(low.weights[0] > 0 && low.weights.allSatisfy { $0 >= 0 })
    expectOrthonormal(low.rotation)
  }

  @Test("what is no number comes to an end")
  func notFinite() {
    for value in [Double.nan, .infinity] {
      var left = matrix(9, 5)
      left[3, 2] = value
      #expect(OutputDirections(of: left).weights.count == 5)
    }
  }

  @Test("they have these bits on every processor")
  func bits() {
    let found = OutputDirections(of: matrix(50, 12))
    let bits = (found.weights + found.rotation.values).map { String($0.bitPattern, radix: 16) }
    #expect(
      SHA256Hasher.digest(of: Array(bits.joined(separator: " ").utf8)).hexadecimal
        == "e388c4d2a7f4bd0763a3f20118d19339c59e1cbf06223ae08a80b3ebb1fff0e2")
  }
}
