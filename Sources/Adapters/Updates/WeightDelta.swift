public import Tensors

/// What is added to a matrix, in a form that is small: any rows of it can be computed alone.
public enum WeightDelta: Sendable {
  /// `B A`
  case product(PlainFactors)
  /// `(B₁ A₁) ∘ (B₂ A₂)`, element by element.
  case hadamard(PlainFactors, PlainFactors)
  /// `L ⊗ R`: element `[i, j]` of L times R is the block of R's size at block row i, block column j.
  case kronecker(left: Matrix, right: Matrix)
  /// All of it.
  case dense(Matrix)

  /// Number of rows.
  public var rows: Int {
    switch self {
    case .product(let factors), .hadamard(let factors, _): factors.b.rows
    case .kronecker(let left, let right): left.rows * right.rows
    case .dense(let matrix): matrix.rows
    }
  }

  /// Number of columns.
  public var columns: Int {
    switch self {
    case .product(let factors), .hadamard(let factors, _): factors.a.columns
    case .kronecker(let left, let right): left.columns * right.columns
    case .dense(let matrix): matrix.columns
    }
  }

  /// The same multiplied by a number.
  public func scaled(by factor: Double) -> WeightDelta {
    if factor == 1 { return self }
    func scaled(_ factors: PlainFactors) -> PlainFactors {
      PlainFactors(a: factors.a, b: factors.b.scaled(by: factor))
    }
    return switch self {
    case .product(let factors): .product(scaled(factors))
    case .hadamard(let first, let second): .hadamard(scaled(first), second)
    case .kronecker(let left, let right): .kronecker(left: left.scaled(by: factor), right: right)
    case .dense(let matrix): .dense(matrix.scaled(by: factor))
    }
  }

  /// Adds some rows to `target`, row-major without gaps, `range.count` x `columns`.
  package func add(
    rows range: Range<Int>, to target: UnsafeMutableBufferPointer<Double>
  ) {
    precondition(target.count == range.count * columns)
    switch self {
    case .product(let factors): WeightDelta.multiply(factors, range) { unsafe target[$0] += $1 }
    case .hadamard(let first, let second):
      var product = [Double](repeating: 0, count: target.count)
      WeightDelta.multiply(first, range) { product[$0] = $1 }
      WeightDelta.multiply(second, range) { unsafe target[$0] += product[$0] * $1 }
    case .kronecker(let left, let right):
      for row in range {
        let (i, k) = row.quotientAndRemainder(dividingBy: right.rows)
        var next = (row - range.lowerBound) * columns
        for j in 0..<left.columns {
          for l in 0..<right.columns {
            unsafe target[next] += left[i, j] * right[k, l]
            next += 1
          }
        }
      }
    case .dense(let matrix):
      let first = range.lowerBound * columns
      for position in target.indices { unsafe target[position] += matrix.values[first + position] }
    }
  }

  /// Calls `body` with every position and element of some rows of `B A`.
  private static func multiply(
    _ factors: PlainFactors, _ range: Range<Int>, _ body: (Int, Double) -> Void
  ) {
    let (rank, columns) = (factors.a.rows, factors.a.columns)
    let part = Matrix(
      rows: range.count, columns: rank,
      values: Array(factors.b.values[(range.lowerBound * rank)..<(range.upperBound * rank)]))
    let product = part.times(factors.a)
    for position in 0..<(range.count * columns) { body(position, product.values[position]) }
  }
}
