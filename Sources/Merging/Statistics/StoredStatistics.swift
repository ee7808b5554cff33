public import Adapters
internal import ByteIO
internal import Tensors

/// Statistics of base weights that an adapter's file carries (Adapter §1.6), so that a merge by
/// weights can do without the base.
extension BaseStatistics {
  /// Whether the adapter carries all that `ofLinkedFactors` would read from a base.
  static func areStored(with adapter: Adapter) -> Bool {
    adapter.blocks.indices.allSatisfy { position in
      guard let statistics = adapter.blocks[position].base?.statistics else { return false }
      return linked(adapter, position).allSatisfy {
        statistics.cross[adapter.blocks[$0].name] != nil
      }
    }
  }

  /// The positions of the blocks whose A is measured against a block's weight: its own, and for ms
  /// its predecessors'.
  static func linked(_ adapter: Adapter, _ position: Int) -> [Int] {
    adapter.structure == .middleShortcut
      ? [position] + adapter.topology.predecessors(of: position) : [position]
  }

  /// The statistics that the adapter carries.
  ///
  /// - Throws: `MergeError.missingBase` where any is missing; errors of reading factors.
  static func stored(with adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockStatistics] {
    guard areStored(with: adapter) else { throw MergeError.missingBase }
    return try Parallel.map(adapter.blocks.count, threads: inputs.threads) { position in
      let statistics = adapter.blocks[position].base?.statistics
      let factors = try linkedFactors(
        adapter, position, allowingNonFinite: inputs.allowsNonFinite)
      return BlockStatistics(
        squaredNorm: statistics?.squaredNorm ?? .nan,
        cross: linked(adapter, position).map {
          statistics?.cross[adapter.blocks[$0].name] ?? .nan
        },
        gram: factors.gram)
    }
  }
}

extension Adapter {
  /// The adapter without stored statistics that do not go with its links: those that name a block
  /// which is no predecessor, or lack one that a merge needs.
  ///
  /// - Throws: `AdapterError`, which the same blocks do not give.
  public func droppingForeignStatistics() throws -> Adapter {
    try withBaseWeights(
      blocks.indices.map { position in
        guard let base = blocks[position].base, let statistics = base.statistics else {
          return blocks[position].base
        }
        let needed = BaseStatistics.linked(self, position).map { blocks[$0].name }
        let allowed = Set(
          sequence(first: position) { topology.previous[$0] }.map { blocks[$0].name })
        let fits =
          needed.allSatisfy { statistics.cross[$0] != nil }
          && allowed.isSuperset(of: statistics.cross.keys)
        return fits ? base : base.withoutStatistics
      })
  }

  /// The adapter with what is known of the weights of `inputs.base` beside each block: its tensor,
  /// the SHA-256 of it, and the statistics that let `bw` run without the base (Adapter §1.6).
  ///
  /// The base is read twice, once for the sums and once for the hashes.
  ///
  /// - Throws: `MergeError.missingBase`, `BaseMatchError`, errors of reading.
  public func recordingBase(_ inputs: MergeInputs) throws -> Adapter {
    guard let base = inputs.base else { throw MergeError.missingBase }
    let weights = try BaseMatch(
      blocks.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: false
    ).weights.compactMap { $0 }
    let statistics = try BaseStatistics.ofLinkedFactors(self, inputs)
    let digests = try Adapter.digests(of: weights, in: base, inputs).compactMap { $0 }
    return try withBaseWeights(
      blocks.indices.map { position in
        let names = BaseStatistics.linked(self, position).map { blocks[$0].name }
        return BaseWeight(
          tensor: base.tensors[weights[position]], sha256: digests[position],
          statistics: BaseWeight.Statistics(
            squaredNorm: statistics[position].squaredNorm,
            cross: Dictionary(zip(names, statistics[position].cross)) { first, _ in first }))
      })
  }
}
