internal import Adapters
package import ByteIO
internal import Tensors

// Statistics on their way between machines. Numbers are written in the shortest text that reads back
// as the same, so what is made of them has the same bits; infinities and NaN, where they are
// allowed, are strings.

extension BlockStatistics {
  /// The numbers as `{"squared_norm": …, "cross": […], "gram": [[…], …]}`.
  package var json: JSONValue {
    .members([
      "squared_norm": .bits(of: squaredNorm),
      "cross": .array(cross.map(JSONValue.bits)),
      "gram": .array(gram.map { .array($0.map(JSONValue.bits)) }),
    ])
  }

  /// Reads the numbers; nil for anything else than `json` gives.
  package init?(json: JSONValue) {
    guard let object = json.object, object.members.count == 3,
      let squaredNorm = object["squared_norm"]?.bitsOfDouble,
      let cross = object["cross"]?.bitsOfDoubles,
      let rows = object["gram"]?.array, rows.count == cross.count
    else { return nil }
    let gram = rows.compactMap(\.bitsOfDoubles)
    guard gram.count == cross.count, gram.allSatisfy({ $0.count == cross.count }) else {
      return nil
    }
    self.init(squaredNorm: squaredNorm, cross: cross, gram: gram)
  }
}

extension StepwiseMerge {
  /// The statistics of some blocks by name; those that are nil are left out.
  package func json(of statistics: [BlockStatistics?]) -> JSONValue {
    var object = JSONObject()
    for (block, statistics) in zip(adapter.blocks, statistics) {
      guard let statistics else { continue }
      let isNew = object.append(block.name.string, statistics.json)
      precondition(isNew, "block names differ")
    }
    return .object(object)
  }

  /// The statistics of all blocks out of several texts that `json(of:)` gave, in any order.
  ///
  /// - Throws: `MergeError.badStatistics` for a block that is in none or in several of them, one
  ///   that is not of the adapter, and numbers that do not go with the block's links.
  package func statistics(combining parts: [JSONValue]) throws(MergeError) -> [BlockStatistics] {
    let positions = Dictionary(
      adapter.blocks.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    var found = [BlockStatistics?](repeating: nil, count: adapter.blocks.count)
    for part in parts {
      guard let members = part.object?.members else {
        throw .badStatistics(block: nil, problem: "not a JSON object")
      }
      for (key, value) in members {
        let name = TensorName(key)
        guard let position = positions[name] else {
          throw .badStatistics(block: name, problem: "not a block of the adapter")
        }
        guard found[position] == nil else {
          throw .badStatistics(block: name, problem: "its statistics are there twice")
        }
        let count = BaseStatistics.linked(adapter, position).count
        guard let statistics = BlockStatistics(json: value), statistics.cross.count == count else {
          throw .badStatistics(
            block: name, problem: "malformed statistics (expected those of \(count) factors)")
        }
        found[position] = statistics
      }
    }
    if let missing = found.firstIndex(of: nil) {
      throw .badStatistics(
        block: adapter.blocks[missing].name, problem: "its statistics are missing")
    }
    return found.compactMap { $0 }
  }
}
