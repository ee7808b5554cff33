package import Tensors

extension Matrix {
  /// `self · otherᵀ` by the library.
  ///
  /// - Throws: `LinearAlgebraError.noLibrary`.
  package func timesTransposed(_ other: Matrix) throws(LinearAlgebraError) -> Matrix {
    precondition(columns == other.columns)
    let blas = try BLAS.load()
    return unsafe product(other, columns: other.rows) { a, b, c in
      unsafe blas.timesTransposed(
        a, b, m: rows, n: other.rows, k: columns, into: c, stride: other.rows)
    }
  }

  /// `self · other` by the library.
  ///
  /// - Throws: `LinearAlgebraError.noLibrary`.
  package func multiplied(by other: Matrix) throws(LinearAlgebraError) -> Matrix {
    precondition(columns == other.rows)
    let blas = try BLAS.load()
    return unsafe product(other, columns: other.columns) { a, b, c in
      unsafe blas.times(
        a, b, m: rows, n: other.columns, k: columns, into: c, stride: other.columns)
    }
  }

  private func product(
    _ other: Matrix, columns: Int,
    _ multiply: (MatrixView<Double>, MatrixView<Double>, UnsafeMutablePointer<Double>) -> Void
  ) -> Matrix {
    var result = Matrix(rows: rows, columns: columns)
    unsafe values.withUnsafeBufferPointer { a in
      unsafe other.values.withUnsafeBufferPointer { b in
        unsafe result.values.withUnsafeMutableBufferPointer { c in
          guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
          unsafe multiply(
            MatrixView(a, stride: self.columns), MatrixView(b, stride: other.columns), c)
        }
      }
    }
    return result
  }
}
