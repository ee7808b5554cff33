internal import CKernels

extension Matrix {
  /// The product with another matrix in float64; terms are added in order.
  package func times(_ other: Matrix) -> Matrix {
    precondition(
      columns == other.rows, "\(rows) x \(columns) times \(other.rows) x \(other.columns)")
    var result = Matrix(rows: rows, columns: other.columns)
    unsafe values.withUnsafeBufferPointer { x in
      unsafe other.values.withUnsafeBufferPointer { y in
        unsafe result.values.withUnsafeMutableBufferPointer { c in
          unsafe rl_multiply_f64(
            rl_best_level(), x.baseAddress, y.baseAddress, c.baseAddress, rows, columns,
            other.columns, other.columns, other.columns, 0)
        }
      }
    }
    return result
  }

  /// The sum of the products of matching elements, `⟨X, Y⟩` of Merging §1.2.
  package func dot(_ other: Matrix) -> Double {
    precondition(rows == other.rows && columns == other.columns)
    return unsafe values.withUnsafeBufferPointer { x in
      unsafe other.values.withUnsafeBufferPointer { y in
        unsafe rl_dot_f64(rl_best_level(), x.baseAddress, y.baseAddress, x.count)
      }
    }
  }

  /// `X Xᵀ`.
  package var rowGram: Matrix { transposed.columnGram }

  /// `Xᵀ X`.
  package var columnGram: Matrix {
    var result = Matrix(rows: columns, columns: columns)
    unsafe rl_gram_f64(rl_best_level(), values, rows, columns, &result.values)
    return result
  }
}
