internal import Adapters
internal import Tensors

/// `bw` as the published code computes it, its merge flag 3 (Merging §4.10).
enum PublishedMerge {
  /// `f_n = ‖W_n + (B_n A_n)ᵀ‖`, unscaled; `α_n = f_{n−2} / f_{n−1}`.
  static func inputShortcut(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    for block in adapter.blocks where block.inFeatures != block.outFeatures {
      throw MergeError.notSquare(
        block: block.name, inFeatures: block.inFeatures, outFeatures: block.outFeatures)
    }
    let statistics = try BaseStatistics.ofTransposedFactors(adapter, inputs)
    let norms = statistics.map { $0.mergedNorm([1]) }
    return adapter.blocks.indices.map { position in
      var alpha = 1.0
      if let predecessor = adapter.topology.previous[position],
        let other = adapter.topology.previous[predecessor], norms[predecessor] != 0,
        norms[other] != 0
      {
        alpha = norms[other] / norms[predecessor]
      }
      return BlockMerge(.scaled(1 + alpha), alpha: [alpha], norm: norms[position])
    }
  }

  /// The mix of Eq. 13 with factors from windows of `‖x‖`: `α_k = f_{n−k} / f_n`.
  static func middleShortcut(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    let means = try WindowMeans(adapter, "input", \.input, allowingZero: true)
    return adapter.blocks.indices.map { position in
      let alpha = adapter.topology.predecessors(of: position).map {
        means.ratio(of: $0, to: position)
      }
      let combination: BlockMerge.Combination = alpha.isEmpty ? .scaled(1) : .mixed(alpha)
      return BlockMerge(combination, alpha: alpha, norm: means[position])
    }
  }
}
