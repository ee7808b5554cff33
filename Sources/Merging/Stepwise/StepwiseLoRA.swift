package import Adapters
internal import ByteIO
internal import Tensors

/// The plain LoRA of a merge whose factors become known while the base is read: a thread that asks
/// for a block's factors sleeps until they are.
package struct StepwiseLoRA: PlainLoRA {
  /// What is known of every block.
  ///
  /// Where α is not known yet, B of is counts as computed (Merging §5.2); only an α lost in `1 + α`
  /// would leave it as it is.
  package let blocks: [PlainBlock]

  private let collector: WeightStatisticsCollector

  /// Follows a collector.
  package init(_ collector: WeightStatisticsCollector) {
    self.collector = collector
    let merge = collector.merge
    let adapter = merge.adapter
    blocks = adapter.blocks.indices.map { position in
      let predecessors = adapter.topology.predecessors(of: position)
      let combination: BlockMerge.Combination =
        switch (adapter.structure, predecessors.isEmpty) {
        case (.inputShortcut, true): .scaled(1 + adapter.rootFactor(.standard))
        case (.inputShortcut, false): .scaled(2)
        case (_, true): .scaled(1)
        case (_, false): .mixed(predecessors.map { _ in 1 })
        }
      return MergedLoRA.describe(position, adapter, combination)
    }
  }

  /// The factors of a block.
  ///
  /// - Throws: errors of reading, those of `WeightStatisticsCollector.merge(of:)`.
  package func factors(of index: Int) throws -> PlainFactors {
    let merge = collector.merge
    return try merge.adapter.factors(
      of: index, try collector.merge(of: index).combination, allowsNonFinite: merge.allowsNonFinite)
  }
}

extension WeightStatisticsCollector {
  /// The plain LoRA whose factors become known on the way.
  package var lora: StepwiseLoRA { StepwiseLoRA(self) }

  /// What `Merge.run` gives, once all statistics are in.
  ///
  /// - Parameter deltaNorms: `‖s B A‖` of each block where the caller knows them; else they are made
  ///   from the factors.
  /// - Throws: as `merges()`; errors of reading factors.
  package func result(
    reason: String? = nil, deltaNorms: [Double]? = nil, threads: Int = 1
  ) throws -> Merge.Result {
    let merges = try merges()
    let lora = MergedLoRA(merge.adapter, merges, allowsNonFinite: merge.allowsNonFinite)
    let deltaNorms =
      try deltaNorms
      ?? Parallel.map(merges.count, threads: threads) { try lora.deltaNorm(of: $0) }
    return Merge.Result(
      lora: lora, method: WeightBasedMerge.name, reason: reason, profile: .standard,
      blocks: merges.indices.map { block in
        Merge.BlockFigures(
          alpha: merges[block].alpha, norm: merges[block].norm, rank: lora.blocks[block].rank,
          deltaNorm: deltaNorms[block], foldedNorm: merges[block].foldedNorm, truncation: nil,
          fit: nil, trials: [])
      }, warnings: [])
  }
}

extension PlainLoRA {
  /// `‖s B A‖` of a block, from its factors (Merging §4.5).
  func deltaNorm(of block: Int) throws -> Double {
    abs(blocks[block].scaling) * (try factors(of: block)).productNorm
  }
}
