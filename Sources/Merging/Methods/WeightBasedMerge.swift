public import Adapters
internal import Tensors

/// `bw`: the shortcut's share estimated from the norms of merged weights, each chain walked from
/// its root (Merging §4.4, Eqs. 10, 11, 13).
public enum WeightBasedMerge: MergeMethod {
  /// The name on the command line.
  public static let name = "bw"
  /// What it does.
  public static let summary = "scale or mix by the norms of merged weights (Eqs. 10, 11, 13)"

  /// Reads the base once for its statistics, then walks the chains.
  ///
  /// - Throws: `MergeError.missingBase`, `MergeError.zeroNorm`, `BaseMatchError`, errors of reading.
  public static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    switch (adapter.structure, inputs.profile) {
    case (.inputShortcut, .standard): return try mergeInputShortcut(adapter, inputs)
    case (.middleShortcut, .standard): return try mergeMiddleShortcut(adapter, inputs)
    case (.inputShortcut, .lmops): return try PublishedMerge.inputShortcut(adapter, inputs)
    case (.middleShortcut, .lmops): return try PublishedMerge.middleShortcut(adapter, inputs)
    case (.plain, _), (.blockShortcut, _):
      throw MergeError.notForStructure(method: name, structure: adapter.structure)
    }
  }

  /// Eqs. 10 and 11: `α_n = f*_{n−2} / f*_{n−1}`.
  private static func mergeInputShortcut(
    _ adapter: Adapter, _ inputs: MergeInputs
  ) throws -> [BlockMerge] {
    let statistics = try BaseStatistics.ofLinkedFactors(adapter, inputs)
    return try walk(adapter) { position, norms in
      let block = adapter.blocks[position]
      let alpha: Double
      if let predecessor = adapter.topology.previous[position] {
        alpha =
          try adapter.topology.previous[predecessor].map {
            try ratio(of: $0, to: predecessor, norms, adapter)
          } ?? 1
      } else {
        alpha = adapter.rootFactor(.standard)
      }
      let factor = (1 + alpha) * block.scaling
      let norm = statistics[position].mergedNorm([factor])
      return BlockMerge(.scaled(1 + alpha), alpha: [alpha], norm: norm, foldedNorm: norm)
    }
  }

  /// Eq. 13: `α_k = f*_{n−k−1} / f*_{n−1}`.
  private static func mergeMiddleShortcut(
    _ adapter: Adapter, _ inputs: MergeInputs
  ) throws -> [BlockMerge] {
    let statistics = try BaseStatistics.ofLinkedFactors(adapter, inputs)
    return try walk(adapter) { position, norms in
      let block = adapter.blocks[position]
      let predecessors = adapter.topology.predecessors(of: position)
      let alpha = try predecessors.map { predecessor in
        try adapter.topology.previous[predecessor].map {
          try ratio(of: $0, to: predecessors[0], norms, adapter)
        } ?? 1
      }
      let norm = statistics[position].mergedNorm(([1] + alpha).map { $0 * block.scaling })
      let combination: BlockMerge.Combination = alpha.isEmpty ? .scaled(1) : .mixed(alpha)
      return BlockMerge(combination, alpha: alpha, norm: norm, foldedNorm: norm)
    }
  }

  /// Merges block after block, each with the norms of all before it.
  private static func walk(
    _ adapter: Adapter, _ merge: (Int, [Double?]) throws -> BlockMerge
  ) throws -> [BlockMerge] {
    var norms = [Double?](repeating: nil, count: adapter.blocks.count)
    var merges = [BlockMerge?](repeating: nil, count: adapter.blocks.count)
    for position in adapter.topology.rootsFirst {
      let merged = try merge(position, norms)
      norms[position] = merged.foldedNorm
      merges[position] = merged
    }
    return merges.compactMap { $0 }
  }

  private static func ratio(
    of numerator: Int, to denominator: Int, _ norms: [Double?], _ adapter: Adapter
  ) throws(MergeError) -> Double {
    for block in [numerator, denominator] where norms[block] == 0 {
      throw .zeroNorm(block: adapter.blocks[block].name)
    }
    guard let f = norms[denominator], let g = norms[numerator] else {
      preconditionFailure("roots come first")
    }
    return g / f
  }
}
