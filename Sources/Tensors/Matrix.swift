/// A dense float64 matrix, row-major: what adapters' factors become when they are computed with.
public struct Matrix: Sendable, Equatable {
  /// Number of rows.
  public let rows: Int
  /// Number of columns.
  public let columns: Int
  /// The elements, `rows * columns` of them, row by row.
  public var values: [Double]

  /// Wraps elements given row by row.
  public init(rows: Int, columns: Int, values: [Double]) {
    precondition(values.count == rows * columns, "\(values.count) values for \(rows) x \(columns)")
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  /// A matrix of zeros.
  public init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, values: [Double](repeating: 0, count: rows * columns))
  }

  /// The element in a row and a column.
  public subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  /// Rows and columns exchanged.
  public var transposed: Matrix {
    var result = Matrix(rows: columns, columns: rows)
    // In squares whose rows and columns both stay in the cache.
    let side = 16
    unsafe result.values.withUnsafeMutableBufferPointer { target in
      unsafe values.withUnsafeBufferPointer { source in
        for top in stride(from: 0, to: rows, by: side) {
          for left in stride(from: 0, to: columns, by: side) {
            for row in top..<min(rows, top + side) {
              for column in left..<min(columns, left + side) {
                unsafe target[column * rows + row] = unsafe source[row * columns + column]
              }
            }
          }
        }
      }
    }
    return result
  }

  /// Every element multiplied by a number.
  public func scaled(by factor: Double) -> Matrix {
    Matrix(rows: rows, columns: columns, values: values.map { $0 * factor })
  }

  /// The matrices one below the other; all have the same number of columns.
  public static func stackedRows(_ parts: [Matrix]) -> Matrix {
    let columns = parts.first?.columns ?? 0
    precondition(parts.allSatisfy { $0.columns == columns })
    return Matrix(
      rows: parts.reduce(0) { $0 + $1.rows }, columns: columns, values: parts.flatMap(\.values))
  }

  /// The matrices side by side; all have the same number of rows.
  public static func stackedColumns(_ parts: [Matrix]) -> Matrix {
    let rows = parts.first?.rows ?? 0
    precondition(parts.allSatisfy { $0.rows == rows })
    let columns = parts.reduce(0) { $0 + $1.columns }
    var values: [Double] = []
    values.reserveCapacity(rows * columns)
    for row in 0..<rows {
      for part in parts { values += part.values[(row * part.columns)..<((row + 1) * part.columns)] }
    }
    return Matrix(rows: rows, columns: columns, values: values)
  }

  /// The Frobenius norm, summed in float64.
  public var frobeniusNorm: Double {
    values.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  /// Whether no element is infinite or NaN.
  public var isFinite: Bool { values.allSatisfy(\.isFinite) }
}
