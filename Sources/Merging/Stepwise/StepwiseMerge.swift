package import Adapters
package import Tensors

/// `bw` of the standard profile block by block (Merging §4.4, §4.6): what each block waits for, and
/// its factors once that is known.
///
/// A block's factors depend on the norms of merged weights before it in its chain and not on its own
/// weight, so one pass over the base can gather a block's statistics and fold it. Both the merge
/// that reads all statistics first and the one that folds on the way go through this type.
package struct StepwiseMerge: Sendable {
  /// What is merged.
  package let adapter: Adapter
  /// The blocks, each after all that it waits for: by their distance from the root, blocks of one
  /// distance in the adapter's order.
  package let order: [Int]
  /// Whether a NaN or an infinity may enter a result.
  package let allowsNonFinite: Bool
  private let depths: [Int]

  /// Prepares the merge of an adapter.
  ///
  /// - Throws: `MergeError.notForStructure` for others than is and ms.
  package init(_ adapter: Adapter, allowsNonFinite: Bool = false) throws(MergeError) {
    guard adapter.structure == .inputShortcut || adapter.structure == .middleShortcut else {
      throw .notForStructure(method: WeightBasedMerge.name, structure: adapter.structure)
    }
    self.adapter = adapter
    self.allowsNonFinite = allowsNonFinite
    var depths = [Int](repeating: 0, count: adapter.blocks.count)
    for block in adapter.topology.rootsFirst {
      depths[block] = adapter.topology.previous[block].map { depths[$0] + 1 } ?? 0
    }
    self.depths = depths
    order = depths.indices.sorted { [depths] in (depths[$0], $0) < (depths[$1], $1) }
  }

  /// A block's distance from the root; it waits for none of the same distance.
  package func depth(of block: Int) -> Int { depths[block] }

  /// The blocks whose `f*` a block's factors are made of: for is `n−1` and `n−2`, for ms `n−1` and
  /// each `n−k−1` there is; none where every factor is 1 (Merging §4.6).
  package func prerequisites(of block: Int) -> [Int] {
    let predecessors = adapter.topology.predecessors(of: block)
    let others = predecessors.compactMap { adapter.topology.previous[$0] }
    guard let nearest = predecessors.first, !others.isEmpty else { return [] }
    return [nearest] + others
  }

  /// The factors of a block, its own norm still unknown.
  ///
  /// - Parameter norms: `f*` by block, known for all of `prerequisites(of: block)`.
  /// - Throws: `MergeError.zeroNorm`.
  package func merge(_ block: Int, norms: [Double?]) throws(MergeError) -> BlockMerge {
    let predecessors = adapter.topology.predecessors(of: block)
    var alpha: [Double] = []
    for predecessor in predecessors {
      guard let other = adapter.topology.previous[predecessor] else {
        alpha.append(1)
        continue
      }
      alpha.append(try ratio(of: other, to: predecessors[0], norms))
    }
    if adapter.structure == .inputShortcut {
      let factor = alpha.first ?? adapter.rootFactor(.standard)
      return BlockMerge(.scaled(1 + factor), alpha: [factor])
    }
    return BlockMerge(alpha.isEmpty ? .scaled(1) : .mixed(alpha), alpha: alpha)
  }

  /// The same with `f*` of the block itself (Merging §4.5).
  package func measured(
    _ merge: BlockMerge, of block: Int, _ statistics: BlockStatistics
  ) -> BlockMerge {
    let scaling = adapter.blocks[block].scaling
    let factors: [Double] =
      switch merge.combination {
      case .scaled(let factor): [factor * scaling]
      case .mixed(let alpha): ([1] + alpha).map { $0 * scaling }
      case .joined, .corrected: preconditionFailure("no combination of bw")
      }
    let norm = statistics.mergedNorm(factors)
    return BlockMerge(merge.combination, alpha: merge.alpha, norm: norm, foldedNorm: norm)
  }

  /// Merges all blocks, each with the norms of those before it.
  ///
  /// - Throws: `MergeError.zeroNorm`.
  package func merges(_ statistics: [BlockStatistics]) throws(MergeError) -> [BlockMerge] {
    precondition(statistics.count == adapter.blocks.count)
    var norms = [Double?](repeating: nil, count: statistics.count)
    var merges = [BlockMerge?](repeating: nil, count: statistics.count)
    for block in order {
      let merged = measured(try merge(block, norms: norms), of: block, statistics[block])
      norms[block] = merged.foldedNorm
      merges[block] = merged
    }
    return merges.compactMap { $0 }
  }

  private func ratio(
    of numerator: Int, to denominator: Int, _ norms: [Double?]
  ) throws(MergeError) -> Double {
    for block in [numerator, denominator] where norms[block] == 0 {
      throw .zeroNorm(block: adapter.blocks[block].name)
    }
    guard let f = norms[denominator], let g = norms[numerator] else {
      preconditionFailure("a prerequisite's norm is unknown")
    }
    return g / f
  }
}

// MARK: - Statistics

extension StepwiseMerge {
  /// What a block's weight is measured against: its B, its own A and, for ms, those of its
  /// predecessors.
  ///
  /// - Throws: errors of reading, `AdapterError.nonFinite`.
  package func measuringFactors(of block: Int) throws -> MeasuringFactors {
    try BaseStatistics.linkedFactors(adapter, block, allowingNonFinite: allowsNonFinite)
  }

  /// The sums over some rows of a block's weight.
  ///
  /// - Parameters:
  ///   - tile: the rows as they are stored, aligned for their dtype.
  ///   - rows: one of `RowTiles.strips` of the weight.
  ///   - factors: `measuringFactors` of the block.
  /// - Throws: `MergeError.nonFiniteWeight`.
  package func sums(
    of tile: UnsafeRawBufferPointer, rows: Range<Int>, of weight: TensorReference,
    _ factors: MeasuringFactors
  ) throws(MergeError) -> TileSums {
    let info = weight.info
    let sums = unsafe factors.sums(of: tile, dtype: info.dtype, rows: rows)
    guard allowsNonFinite || sums.isFinite else {
      throw .nonFiniteWeight(source: weight.source.label, weight: info.name)
    }
    return sums
  }

  /// The statistics of some blocks' weights, such as those that one shard of a base holds.
  ///
  /// - Parameter weights: each block's weight by its position in `inputs.base`; nil where it is
  ///   elsewhere.
  /// - Throws: `MergeError.missingBase`, `MergeError.nonFiniteWeight`, errors of reading.
  package func statistics(
    of weights: [Int?], _ inputs: MergeInputs
  ) throws -> [BlockStatistics?] {
    guard let base = inputs.base else { throw MergeError.missingBase }
    precondition(weights.count == adapter.blocks.count)
    return try BaseStatistics.gather(weights: weights, of: base, inputs) {
      try measuringFactors(of: $0)
    }
  }
}
