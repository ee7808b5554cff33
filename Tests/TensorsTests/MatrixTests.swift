import Tensors
import Testing

@Suite struct MatrixTests {
  static let wide = Matrix(rows: 2, columns: 3, values: [1, 2, 3, 4, 5, 6])

  @Test func elementsAreRowMajor() {
    var matrix = MatrixTests.wide
    #expect(matrix[0, 2] == 3)
    #expect(matrix[1, 0] == 4)
    matrix[1, 2] = 9
    #expect(matrix.values == [1, 2, 3, 4, 5, 9])
    #expect(Matrix(rows: 2, columns: 2).values == [0, 0, 0, 0])
  }

  @Test func transposingExchangesRowsAndColumns() {
    let transposed = MatrixTests.wide.transposed
    #expect(transposed == Matrix(rows: 3, columns: 2, values: [1, 4, 2, 5, 3, 6]))
    #expect(transposed.transposed == MatrixTests.wide)
    #expect(Matrix(rows: 0, columns: 4).transposed == Matrix(rows: 4, columns: 0))
  }

  @Test func scalingMultipliesEveryElement() {
    #expect(MatrixTests.wide.scaled(by: -0.5).values == [-0.5, -1, -1.5, -2, -2.5, -3])
  }

  @Test func rowsStackInOrder() {
    let below = Matrix(rows: 1, columns: 3, values: [7, 8, 9])
    #expect(
      Matrix.stackedRows([MatrixTests.wide, below])
        == Matrix(rows: 3, columns: 3, values: [1, 2, 3, 4, 5, 6, 7, 8, 9]))
    #expect(Matrix.stackedRows([below, Matrix(rows: 0, columns: 3)]) == below)
    #expect(Matrix.stackedRows([]) == Matrix(rows: 0, columns: 0))
  }

  @Test func columnsStackInOrder() {
    let beside = Matrix(rows: 2, columns: 1, values: [7, 8])
    #expect(
      Matrix.stackedColumns([MatrixTests.wide, beside])
        == Matrix(rows: 2, columns: 4, values: [1, 2, 3, 7, 4, 5, 6, 8]))
    #expect(Matrix.stackedColumns([beside, Matrix(rows: 2, columns: 0)]) == beside)
    #expect(Matrix.stackedColumns([]) == Matrix(rows: 0, columns: 0))
  }

  @Test func stackingRowsIsStackingColumnsOfTheTransposed() {
    let parts = [MatrixTests.wide, MatrixTests.wide.scaled(by: 2)]
    #expect(
      Matrix.stackedRows(parts).transposed == Matrix.stackedColumns(parts.map(\.transposed)))
  }

  @Test func normIsTheRootOfTheSumOfSquares() {
    #expect(Matrix(rows: 1, columns: 2, values: [3, -4]).frobeniusNorm == 5)
    #expect(MatrixTests.wide.frobeniusNorm == (91.0).squareRoot())
    #expect(Matrix(rows: 0, columns: 7).frobeniusNorm == 0)
  }

  @Test func productsFollowTheDefinition() {
    let tall = Matrix(rows: 3, columns: 1, values: [1, 0, -2])
    #expect(MatrixTests.wide.times(tall) == Matrix(rows: 2, columns: 1, values: [-5, -8]))
    #expect(
      tall.times(tall.transposed)
        == Matrix(rows: 3, columns: 3, values: [1, 0, -2, 0, 0, 0, -2, 0, 4]))
    #expect(
      Matrix(rows: 2, columns: 0).times(Matrix(rows: 0, columns: 3)) == Matrix(rows: 2, columns: 3))
    #expect(MatrixTests.wide.rowGram == Matrix(rows: 2, columns: 2, values: [14, 32, 32, 77]))
    #expect(
      MatrixTests.wide.columnGram
        == Matrix(rows: 3, columns: 3, values: [17, 22, 27, 22, 29, 36, 27, 36, 45]))
  }

  @Test func dotIsTheSumOfMatchingProducts() {
    let other = Matrix(rows: 2, columns: 3, values: [1, -1, 2, 0, 1, -1])
    #expect(MatrixTests.wide.dot(other) == 1 - 2 + 6 + 0 + 5 - 6)
    #expect(MatrixTests.wide.dot(MatrixTests.wide) == 91)
    #expect(Matrix(rows: 0, columns: 2).dot(Matrix(rows: 0, columns: 2)) == 0)
  }

  @Test func finiteMeansNoInfinityAndNoNaN() {
    #expect(MatrixTests.wide.isFinite)
    for bad in [Double.nan, .infinity, -.infinity] {
      #expect(!Matrix(rows: 1, columns: 2, values: [0, bad]).isFinite)
    }
  }
}
