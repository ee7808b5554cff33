internal import Tensors

/// The factors of a parameter as PEFT stacks them over experts: A [E·r, in], expert by expert, and
/// B [out, r·E], rank by rank (Updates §3.7).
struct ExpertFactors: Sendable {
  let a: StoredMatrix
  let b: StoredMatrix

  /// Rows of B that are read at once: the bound on what reading an expert takes beside it.
  private static let band = 256

  /// - Throws: `AdapterError.unfitTensor`.
  init(a: StoredMatrix, b: StoredMatrix) throws(AdapterError) {
    try a.require(a.shape.count == 2, "two extents")
    try b.require(b.shape == [b.rows, a.rows], "\([b.rows, a.rows])")
    self.a = a
    self.b = b
  }

  /// An update for each expert, or for its first only; one of all for a parameter that is no stack.
  ///
  /// - Parameter transposed: whether the base has experts as [in, out].
  func updates(
    name: TensorName, rank: Int, scaling: Double, transposed: Bool, kind: String, firstOnly: Bool
  ) -> [WeightUpdate] {
    let count = a.rows / rank
    let matrix = transposed ? [a.columns, b.rows] : [b.rows, a.columns]
    return (0..<(firstOnly ? 1 : count)).map { expert in
      WeightUpdate(
        module: name, parameter: .itself,
        shape: count == 1 ? [b.rows, a.columns] : [count] + matrix,
        expert: count == 1 ? nil : expert,
        action: .add { allowing in
          let (right, left) = (
            try loadA(expert, rank, allowing),
            try loadB(expert, rank, count, allowing).scaled(by: scaling)
          )
          return .product(
            transposed && count > 1
              ? PlainFactors(a: left.transposed, b: right.transposed)
              : PlainFactors(a: right, b: left))
        }, kind: kind, loadedElements: rank * (a.columns + b.rows))
    }
  }

  /// An expert's rows of A, [r, in].
  private func loadA(_ expert: Int, _ rank: Int, _ allowing: Bool) throws -> Matrix {
    let values = try a.values(rows: (expert * rank)..<((expert + 1) * rank))
    try a.check(values, allowing)
    return Matrix(rows: rank, columns: a.columns, values: values)
  }

  /// An expert's columns of B, [out, r]: every E-th from its own number on.
  private func loadB(_ expert: Int, _ rank: Int, _ count: Int, _ allowing: Bool) throws -> Matrix {
    var values: [Double] = []
    values.reserveCapacity(b.rows * rank)
    for first in stride(from: 0, to: b.rows, by: ExpertFactors.band) {
      let rows = first..<min(first + ExpertFactors.band, b.rows)
      let part = try b.values(rows: rows)
      for row in 0..<rows.count {
        for index in 0..<rank { values.append(part[row * b.columns + index * count + expert]) }
      }
    }
    try b.check(values, allowing)
    return Matrix(rows: b.rows, columns: rank, values: values)
  }
}
