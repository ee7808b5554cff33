import Adapters
import Tensors
import TestSupport

/// Updates applied to a base in float64, tensor by tensor: what a fold must compute.
enum AppliedUpdates {
  /// All tensors of the base by name, with the updates applied and nothing rounded.
  static func apply(
    _ adapter: AdapterUpdates, to base: any TensorSource
  ) throws -> [TensorName: [Double]] {
    var values: [TensorName: [Double]] = [:]
    for (index, info) in base.tensors.enumerated() {
      values[info.name] = try base.float64(of: index)
    }
    let fitted = try adapter.fitted(to: base)
    let match = try BaseMatch(
      fitted.updates.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: false)
    for (update, weight) in zip(fitted.updates, match.weights) {
      guard let weight else { preconditionFailure("unmatched updates are errors") }
      let name = base.tensors[weight].name
      let size = update.rows * update.columns
      let first = (update.expert ?? 0) * size
      var part = Array((values[name] ?? [])[first..<(first + size)])
      try apply(update, to: &part)
      values[name]?.replaceSubrange(first..<(first + size), with: part)
    }
    return values
  }

  private static func apply(_ update: WeightUpdate, to values: inout [Double]) throws {
    switch update.action {
    case .add(let load): try add(load(false), update, to: &values)
    case .rescale(let load, let magnitude, let axis):
      try add(load(false), update, to: &values)
      let magnitudes = try magnitude()
      let columns = update.columns
      func group(_ position: Int) -> Int {
        axis == .row ? position / columns : position % columns
      }
      var squares = [Double](repeating: 0, count: magnitudes.count)
      for (position, value) in values.enumerated() { squares[group(position)] += value * value }
      for position in values.indices {
        let group = group(position)
        values[position] *= magnitudes[group] / squares[group].squareRoot()
      }
    case .replace(let tensor): values = try tensor.source.float64(of: tensor.index)
    }
  }

  /// Adds in bands of rows, as a fold does.
  private static func add(
    _ delta: WeightDelta, _ update: WeightUpdate, to values: inout [Double]
  ) throws {
    precondition(delta.rows == update.rows && delta.columns == update.columns)
    let columns = delta.columns
    values.withUnsafeMutableBufferPointer { buffer in
      for first in stride(from: 0, to: delta.rows, by: 7) {
        let range = first..<min(first + 7, delta.rows)
        delta.add(
          rows: range,
          to: UnsafeMutableBufferPointer(
            rebasing: buffer[(first * columns)..<(range.upperBound * columns)]))
      }
    }
  }
}
