/// Sums over some tokens beside `Σ x xᵀ` and `Σ t xᵀ` (Replay §4.2): what the targets of one matrix of
/// inputs x need of them.
package struct TokenSums: Sendable, Equatable {
  /// `Σ t²` of every row.
  var squares: [Double]
  /// `‖Δ_res‖²` of every block.
  var references: [Double]
  /// `Σ x²` of every feature.
  var features: [Double]
  /// `Σ x_{n−k} x_n` of every feature, by the matrix of `x_{n−k}`.
  var slopes: [Int: [Double]]

  /// Nothing summed.
  ///
  /// - Parameters:
  ///   - rows: how many rows t has.
  ///   - blocks: how many blocks.
  ///   - features: how many features x has.
  ///   - others: the matrices that shortcuts take.
  init(rows: Int, blocks: Int, features: Int, others: some Sequence<Int>) {
    squares = [Double](repeating: 0, count: rows)
    references = [Double](repeating: 0, count: blocks)
    self.features = [Double](repeating: 0, count: features)
    slopes = [:]
    for matrix in others { slopes[matrix] = self.features }
  }

  /// `trace(G) / features`
  var meanEigenvalue: Double { features.reduce(0, +) / Double(features.count) }

  mutating func add(_ other: TokenSums) {
    func add(_ values: [Double], to sums: inout [Double]) {
      for i in sums.indices { sums[i] += values[i] }
    }
    add(other.squares, to: &squares)
    add(other.references, to: &references)
    add(other.features, to: &features)
    for (matrix, values) in other.slopes { add(values, to: &slopes[matrix, default: []]) }
  }

  // MARK: As numbers

  /// How many numbers there are.
  package var count: Int {
    squares.count + references.count + features.count * (1 + slopes.count)
  }

  /// All of them in a fixed order: squares, references, features, slopes by matrix.
  package var numbers: [Double] {
    squares + references + features + slopes.sorted { $0.key < $1.key }.flatMap(\.value)
  }

  /// The same sums with other numbers.
  package func with(_ numbers: [Double]) -> TokenSums {
    precondition(numbers.count == count)
    var result = self
    var rest = numbers[...]
    func take(_ values: inout [Double]) {
      let count = values.count
      values = Array(rest.prefix(count))
      rest = rest.dropFirst(count)
    }
    take(&result.squares)
    take(&result.references)
    take(&result.features)
    for matrix in slopes.keys.sorted() { take(&result.slopes[matrix, default: []]) }
    return result
  }
}
