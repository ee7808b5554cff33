internal import Adapters
internal import Tensors

/// The rows of a base tensor that change together: all of it, or one expert of a stack.
struct FoldedPart: Sendable {
  /// An update that goes into the part.
  struct Contribution: Sendable {
    /// The adapter, by its position among the fold's inputs.
    let input: Int
    /// The update, by its position among the adapter's.
    let position: Int
    let update: WeightUpdate
    /// What its delta is multiplied by.
    let weight: Double
  }

  /// The position of the tensor in the base.
  let tensor: Int
  /// The part's first row in the tensor.
  let firstRow: Int
  let rows: Int
  let columns: Int
  /// In the order of the adapters.
  var contributions: [Contribution]

  /// What the part is called in reports: the module that changes it.
  var name: TensorName {
    let update = contributions[0].update
    let suffix = update.parameter == .bias ? ".bias" : ""
    return TensorName(
      update.module.string + suffix + (update.expert.map { "[\($0)]" } ?? ""))
  }

  /// The rows of the tensor.
  var rowsInTensor: Range<Int> { firstRow..<(firstRow + rows) }

  /// The rank of what is added, over all adapters; nil where anything else than products is.
  var rank: Int? {
    guard contributions.allSatisfy({ $0.update.isProduct }) else { return nil }
    return contributions.reduce(0) { $0 + $1.update.loadedElements / (rows + columns) }
  }

  /// Number of float64 values that its factors keep in memory.
  var loadedElements: Int { contributions.reduce(0) { $0 + $1.update.loadedElements } }
}

extension FoldedPart {
  /// The parts that matched updates make of the base's tensors, in the order of the first update of
  /// each.
  ///
  /// - Throws: `FoldPlanError` for updates of one part that can't be joined.
  static func parts(
    of inputs: [FoldInput], _ weights: [[Int?]], in base: any TensorSource
  ) throws(FoldPlanError) -> [FoldedPart] {
    struct Key: Hashable {
      let tensor: Int
      let firstRow: Int
    }
    var parts: [FoldedPart] = []
    var places: [Key: Int] = [:]
    // By tensor: the kind of an update of all of it, and whether one of an expert was seen.
    var (wholes, stacks): ([Int: String], Set<Int>) = ([:], [])
    for (input, (adapter, weights)) in zip(inputs, weights).enumerated() {
      for (position, (update, tensor)) in zip(adapter.updates, weights).enumerated() {
        guard let tensor else { continue }
        if update.expert == nil { wholes[tensor] = update.kind } else { stacks.insert(tensor) }
        if let kind = wholes[tensor], stacks.contains(tensor) {
          throw .notAdditive(weight: base.tensors[tensor].name, kind: kind)
        }
        let contribution = Contribution(
          input: input, position: position, update: update, weight: adapter.weight)
        let key = Key(tensor: tensor, firstRow: (update.expert ?? 0) * update.rows)
        if let place = places[key] {
          parts[place].contributions.append(contribution)
        } else {
          places[key] = parts.count
          parts.append(
            FoldedPart(
              tensor: tensor, firstRow: key.firstRow, rows: update.rows, columns: update.columns,
              contributions: [contribution]))
        }
      }
    }
    for part in parts { try part.check(in: base) }
    return parts
  }

  /// Only sums have a meaning for several adapters, and only deltas one for a weight.
  private func check(in base: any TensorSource) throws(FoldPlanError) {
    for contribution in contributions {
      if case .add = contribution.update.action { continue }
      let name = base.tensors[tensor].name
      guard contributions.count == 1 else {
        throw .notAdditive(weight: name, kind: contribution.update.kind)
      }
      guard contribution.weight == 1 else {
        throw .notScalable(weight: name, kind: contribution.update.kind)
      }
    }
  }
}
