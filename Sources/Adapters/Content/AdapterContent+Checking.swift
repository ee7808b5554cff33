internal import Tensors

extension AdapterContent {
  /// Takes what every format states of an adapter as a whole, and checks what holds in all of them.
  init?(_ fields: Fields, metadata: [(key: String, value: String)], blocks: [BlockContent]) throws {
    let structure = try fields.required(
      "structure", "\"plain\", \"is\", \"bs\" or \"ms\"",
      fields.word("structure", as: Structure.self))
    root = try fields.word("root", as: RootRule.self) ?? .ownInput
    reach = try fields.integer("pre_num", in: -1...Int.max).flatMap(PredecessorCount.init) ?? .all
    baseModel = try fields.string("base_model").flatMap { $0.isEmpty ? nil : $0 }
    self.metadata = metadata
    self.blocks = blocks
    self.structure = structure ?? .plain
    try check(fields)
    if structure == nil { return nil }
  }

  private func check(_ fields: Fields) throws {
    if let baseModel, !TextRules.isBaseModel(baseModel) {
      try fields.broken(
        .badValue(
          key: "base_model", found: String(baseModel.prefix(100)),
          expected: "at most \(TextRules.maximumBaseModelBytes) bytes without U+0000"))
    }
    try TextRules.checkMetadata(metadata, path: fields.path, fields.check)
    var names: Set<TensorName> = []
    for block in blocks where !names.insert(block.name).inserted {
      try fields.of(block.name).broken(.duplicateBlock, rule: "Adapter §1.2")
    }
    for block in blocks {
      guard let previous = block.previous, !names.contains(previous) else { continue }
      try fields.of(block.name).broken(.unknownPredecessor(previous), rule: "Adapter §1.4")
    }
    try checkCross(fields)
  }

  /// Statistics are of a block's own A and of its predecessors' (Adapter §1.6).
  private func checkCross(_ fields: Fields) throws {
    let named = blocks.map { block in block.base?.statistics?.cross.keys.sorted() ?? [] }
    guard named.contains(where: { !$0.isEmpty }) else { return }
    let positions = Dictionary(blocks.enumerated().map { ($1.name, $0) }) { first, _ in first }
    let forest = Forest(blocks.map { $0.previous.flatMap { positions[$0] } })
    for (position, names) in named.enumerated() {
      for name in names {
        if let other = positions[name], forest.path(to: position, passes: other) { continue }
        try fields.of(blocks[position].name).broken(.strangeCross(name), rule: "Adapter §1.6")
      }
    }
  }
}

/// The blocks along their links, numbered so that who precedes whom is told at once.
private struct Forest {
  private var entered: [Int]
  private var left: [Int]

  /// Numbers the nodes of all trees, depth first; those of a cycle get no number.
  init(_ previous: [Int?]) {
    var successors = [[Int]](repeating: [], count: previous.count)
    for (node, previous) in previous.enumerated() {
      if let previous { successors[previous].append(node) }
    }
    entered = [Int](repeating: -1, count: previous.count)
    left = entered
    var number = 0
    var path = previous.indices.filter { previous[$0] == nil }
    while let node = path.last {
      if entered[node] < 0 {
        entered[node] = number
        number += 1
        path += successors[node]
      } else {
        left[node] = number
        path.removeLast()
      }
    }
  }

  /// Whether a node is on the way from a root to another, or that one itself.
  func path(to node: Int, passes other: Int) -> Bool {
    node == other
      || entered[node] >= 0 && (entered[other]..<left[other]).contains(entered[node])
  }
}
