internal import Adapters
internal import Tensors

/// A part ready to be folded, shared by the pieces of it.
struct LoadedPart: Sendable {
  /// What happens to the rows of a part.
  enum Operation: Sendable {
    /// One product, all terms in the order of the adapters: for the kernels.
    case product(FoldOperands, exact: PlainFactors)
    /// A sum of deltas, in the order of the adapters.
    case sum([WeightDelta])
    /// DoRA: magnitudes and norms by row or by column; norms of rows are taken from each row.
    case rescaled(WeightDelta, magnitude: [Double], columnNorms: [Double]?)
    /// Another tensor.
    case replaced(TensorReference)
  }

  let operation: Operation
  /// `‖Δ‖` where the factors tell; nil where it comes out of the elements.
  let deltaNorm: Double?

  init(_ plan: FoldPlan, _ index: Int, allowsNonFinite: Bool) throws {
    let part = plan.parts[index]
    switch part.contributions[0].update.action {
    case .replace(let reference):
      operation = .replaced(reference)
      deltaNorm = nil
    case .rescale(let load, let magnitude, let axis):
      let delta = try load(allowsNonFinite)
      part.check(delta)
      let magnitude = try magnitude()
      operation = .rescaled(
        delta, magnitude: magnitude,
        columnNorms: axis == .row ? nil : try LoadedPart.columnNorms(plan, part, delta))
      deltaNorm = nil
    case .add:
      let deltas = try part.contributions.compactMap { contribution -> WeightDelta? in
        guard case .add(let load) = contribution.update.action else { return nil }
        let delta = try load(allowsNonFinite).scaled(by: contribution.weight)
        part.check(delta)
        return delta
      }
      if plan.isQuick(index), let exact = LoadedPart.joined(deltas) {
        let dtype = plan.base.tensors[part.tensor].dtype
        operation = .product(
          FoldOperands(exact, accumulatingInSingle: dtype == .f16 || dtype == .bf16), exact: exact)
        deltaNorm = exact.productNorm
      } else {
        operation = .sum(deltas)
        deltaNorm = LoadedPart.joined(deltas)?.productNorm
      }
    }
  }

  /// One product of several: their ranks one after the other.
  private static func joined(_ deltas: [WeightDelta]) -> PlainFactors? {
    let factors = deltas.compactMap { delta in
      if case .product(let factors) = delta { factors } else { nil }
    }
    guard factors.count == deltas.count, let first = factors.first else { return nil }
    if factors.count == 1 { return first }
    return PlainFactors(
      a: .stackedRows(factors.map(\.a)), b: .stackedColumns(factors.map(\.b)))
  }

  /// `‖W + Δ‖` of every column, one pass over the part.
  private static func columnNorms(
    _ plan: FoldPlan, _ part: FoldedPart, _ delta: WeightDelta
  ) throws -> [Double] {
    var squares = [Double](repeating: 0, count: part.columns)
    let reader = PartReader(plan)
    for rows in plan.tiles(of: part) {
      var values = try reader.read(part, rows)
      unsafe values.withUnsafeMutableBufferPointer { unsafe delta.add(rows: rows, to: $0) }
      for position in values.indices {
        squares[position % part.columns] += values[position] * values[position]
      }
    }
    return squares.map { $0.squareRoot() }
  }

  /// The values before the fold that figures go by: what is replaced need not have been finite.
  func compared(_ before: [Double]) -> [Double] {
    guard case .replaced = operation else { return before }
    return before.map { $0.isFinite ? $0 : 0 }
  }

  /// Puts the new values of some rows in the place of the old ones.
  func apply(rows: Range<Int>, columns: Int, to values: inout [Double]) throws {
    switch operation {
    case .product(_, let exact): add(.product(exact), rows, &values)
    case .sum(let deltas): for delta in deltas { add(delta, rows, &values) }
    case .replaced(let reference):
      let width = columns * reference.info.dtype.elementByteCount
      let bytes = try reference.source.bytes(
        of: reference.index, range: (rows.lowerBound * width)..<(rows.upperBound * width))
      values = unsafe bytes.withUnsafeBytes {
        unsafe Conversion.float64(from: $0, dtype: reference.info.dtype)
      }
    case .rescaled(let delta, let magnitude, let columnNorms):
      add(delta, rows, &values)
      for (position, row) in rows.enumerated() {
        let range = (position * columns)..<((position + 1) * columns)
        if let columnNorms {
          for (column, index) in range.enumerated() {
            values[index] *= magnitude[column] / columnNorms[column]
          }
        } else {
          let norm = values[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
          let factor = magnitude[row] / norm
          for index in range { values[index] *= factor }
        }
      }
    }
  }

  private func add(_ delta: WeightDelta, _ rows: Range<Int>, _ values: inout [Double]) {
    unsafe values.withUnsafeMutableBufferPointer { unsafe delta.add(rows: rows, to: $0) }
  }
}

extension FoldedPart {
  fileprivate func check(_ delta: WeightDelta) {
    precondition(
      delta.rows == rows && delta.columns == columns,
      "\(name): \(delta.rows) x \(delta.columns) for \(rows) x \(columns)")
  }
}
