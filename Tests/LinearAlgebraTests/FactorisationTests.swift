import LinearAlgebra
import Tensors
import TestSupport
import Testing

/// Factorisations against plain products.
@Suite struct FactorisationTests {
  @Test("QR and SVD give back the matrix", arguments: [(5, 3), (3, 5), (4, 4), (1, 6), (6, 1)])
  func factorisations(_ rows: Int, _ columns: Int) throws {
    var generator = SeededGenerator(seed: UInt64(rows * 10 + columns))
    let matrix = Matrix(rows: rows, columns: columns, values: generator.values(rows * columns))
    let (q, r) = try Factorisation.qr(matrix)
    #expect(distance(naiveProduct(q, r), matrix) < 1e-14)
    #expect(distance(naiveProduct(q.transposed, q), identity(q.columns)) < 1e-14)
    let (u, sigma, vt) = try Factorisation.svd(matrix)
    var scaled = vt
    for row in 0..<vt.rows {
      for column in 0..<vt.columns { scaled[row, column] *= sigma[row] }
    }
    #expect(distance(naiveProduct(u, scaled), matrix) < 1e-14)
    #expect(sigma == sigma.sorted(by: >))
  }

  @Test func moreMemoryThanThereCanBeIsRefusedBeforeTheLibraryAsksForIt() throws {
    let threads = 1 << 30
    #expect(throws: LinearAlgebraError.noRoom(needed: threads * 129 << 20)) {
      try BLAS.withoutOwnThreads(on: threads) {}
    }
    #expect(try BLAS.withoutOwnThreads(on: 1) { 5 } == 5)
  }

  private func naiveProduct(_ x: Matrix, _ y: Matrix) -> Matrix {
    var result = Matrix(rows: x.rows, columns: y.columns)
    for i in 0..<x.rows {
      for j in 0..<y.columns { for k in 0..<x.columns { result[i, j] += x[i, k] * y[k, j] } }
    }
    return result
  }

  private func identity(_ size: Int) -> Matrix {
    var result = Matrix(rows: size, columns: size)
    for i in 0..<size { result[i, i] = 1 }
    return result
  }

  private func distance(_ x: Matrix, _ y: Matrix) -> Double {
    zip(x.values, y.values).map { abs($0 - $1) }.max() ?? 0
  }
}
