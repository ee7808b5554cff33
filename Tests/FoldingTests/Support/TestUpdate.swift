import Adapters
import Tensors
import TestSupport

/// An update of seeded random factors, and the float64 matrix that it makes of a weight by the
/// plainest of loops.
struct TestUpdate {
  let update: WeightUpdate
  /// New values of the part from the old ones, the delta multiplied by a weight.
  let applied: @Sendable (_ before: [Double], _ weight: Double) -> [Double]

  /// The kinds that are sums.
  enum Kind: String, CaseIterable {
    case product, hadamard, kronecker, dense
  }

  /// A sum with something of `rows` x `columns`, which need divisors 1 x 1, 2 or 3 for a Kronecker
  /// product.
  static func sum(
    _ kind: Kind, _ module: TensorName, _ rows: Int, _ columns: Int, rank: Int = 3,
    shape: [Int]? = nil, expert: Int? = nil, parameter: WeightUpdate.Parameter = .weight,
    magnitude: Double = 0.1, seed: UInt64 = 5
  ) -> TestUpdate {
    var generator = SeededGenerator(seed: seed)
    let (delta, dense) = delta(kind, rows, columns, rank, magnitude, &generator)
    let update = WeightUpdate(
      module: module, parameter: parameter, shape: shape ?? [rows, columns], expert: expert,
      action: .add { _ in delta }, kind: kind.rawValue, loadedElements: rank * (rows + columns),
      isProduct: kind == .product)
    return TestUpdate(update: update) { before, weight in
      zip(before, dense).map { $0 + weight * $1 }
    }
  }

  /// DoRA with a product, magnitudes by row or by column.
  static func rescaled(
    _ module: TensorName, _ rows: Int, _ columns: Int, per axis: WeightUpdate.Axis,
    seed: UInt64 = 6
  ) -> TestUpdate {
    var generator = SeededGenerator(seed: seed)
    let (delta, dense) = delta(.product, rows, columns, 2, 0.1, &generator)
    let magnitudes = generator.values(axis == .row ? rows : columns).map { 1 + 0.3 * $0 }
    let update = WeightUpdate(
      module: module, shape: [rows, columns],
      action: .rescale({ _ in delta }, magnitude: { magnitudes }, per: axis), kind: "DoRA",
      loadedElements: 2 * (rows + columns))
    return TestUpdate(update: update) { before, _ in
      let sums = zip(before, dense).map { $0 + $1 }
      var squares = [Double](repeating: 0, count: magnitudes.count)
      for row in 0..<rows {
        for column in 0..<columns {
          squares[axis == .row ? row : column] +=
            sums[row * columns + column] * sums[row * columns + column]
        }
      }
      return sums.indices.map { index in
        let group = axis == .row ? index / columns : index % columns
        return sums[index] * magnitudes[group] / squares[group].squareRoot()
      }
    }
  }

  /// Another tensor in the place of a whole one.
  static func replaced(
    _ tensor: TensorName, _ shape: [Int], dtype: DType = .f32, seed: UInt64 = 8
  ) throws -> TestUpdate {
    let source = try MemoryTensorSource.random([(tensor, dtype, shape)], seed: seed)
    let values = try source.float64(of: 0)
    let update = WeightUpdate(
      module: tensor, parameter: .itself, shape: shape,
      action: .replace(TensorReference(source: source, index: 0)), kind: "modules_to_save",
      loadedElements: 0)
    return TestUpdate(update: update) { _, _ in values }
  }

  private static func delta(
    _ kind: Kind, _ rows: Int, _ columns: Int, _ rank: Int, _ magnitude: Double,
    _ generator: inout SeededGenerator
  ) -> (WeightDelta, [Double]) {
    func factors() -> PlainFactors {
      PlainFactors(
        a: Matrix(rows: rank, columns: columns, values: generator.values(rank * columns)),
        b: Matrix(
          rows: rows, columns: rank, values: generator.values(rows * rank).map { $0 * magnitude }))
    }
    switch kind {
    case .product:
      let own = factors()
      return (.product(own), multiplied(own))
    case .hadamard:
      let (one, other) = (factors(), factors())
      return (.hadamard(one, other), zip(multiplied(one), multiplied(other)).map { $0 * $1 })
    case .kronecker:
      func part(_ count: Int) -> Int { count % 2 == 0 ? 2 : count % 3 == 0 ? 3 : 1 }
      let (height, width) = (part(rows), part(columns))
      let left = generator.values(height * width)
      let right = generator.values(rows / height * (columns / width)).map { $0 * magnitude }
      let dense = (0..<(rows * columns)).map { index in
        let (row, column) = (index / columns, index % columns)
        let (block, inner) = (row / (rows / height), row % (rows / height))
        return left[block * width + column / (columns / width)]
          * right[inner * (columns / width) + column % (columns / width)]
      }
      return (
        .kronecker(
          left: Matrix(rows: height, columns: width, values: left),
          right: Matrix(rows: rows / height, columns: columns / width, values: right)), dense
      )
    case .dense:
      let values = generator.values(rows * columns).map { $0 * magnitude }
      return (.dense(Matrix(rows: rows, columns: columns, values: values)), values)
    }
  }

  private static func multiplied(_ factors: PlainFactors) -> [Double] {
    let (rows, columns, rank) = (factors.b.rows, factors.a.columns, factors.a.rows)
    return (0..<(rows * columns)).map { index in
      (0..<rank).reduce(0) { sum, k in
        sum + factors.b.values[index / columns * rank + k]
          * factors.a.values[k * columns + index % columns]
      }
    }
  }
}
