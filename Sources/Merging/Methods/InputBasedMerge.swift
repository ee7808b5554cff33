public import Adapters

/// `bi`: the shortcut's share estimated from the norms of inputs or projections seen in training
/// (Merging §4.3, Eqs. 8, 9, 12).
public enum InputBasedMerge: MergeMethod {
  /// The name on the command line.
  public static let name = "bi"
  /// What it does.
  public static let summary = "scale by the norms of inputs seen in training (Eqs. 8, 9, 12)"
  /// It does: a shortcut from another input.
  public static let estimates = true

  /// Scales every block by `1 + α`.
  ///
  /// - Throws: `MergeError.missingWindows`, `MergeError.zeroWindows`; `MergeError.notForStructure`
  ///   for plain adapters and bs.
  public static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    let isPublished = inputs.profile == .lmops
    switch adapter.structure {
    case .inputShortcut:
      let means = try WindowMeans(adapter, "input", \.input, allowingZero: isPublished)
      return adapter.blocks.indices.map { position in
        let predecessor = adapter.topology.predecessors(of: position).first
        let alpha =
          predecessor.map { means.ratio(of: $0, to: position) }
          ?? adapter.rootFactor(inputs.profile)
        return BlockMerge(.scaled(1 + alpha), alpha: [alpha], norm: means[position])
      }
    case .middleShortcut:
      let means = try WindowMeans(adapter, "projection", \.projection, allowingZero: isPublished)
      return adapter.blocks.indices.map { position in
        let predecessors = adapter.topology.predecessors(of: position)
        guard !predecessors.isEmpty else { return BlockMerge(.scaled(1), norm: means[position]) }
        let alpha = predecessors.reduce(0) { $0 + means.ratio(of: $1, to: position) }
        return BlockMerge(.scaled(1 + alpha), alpha: [alpha], norm: means[position])
      }
    case .plain, .blockShortcut:
      throw MergeError.notForStructure(method: name, structure: adapter.structure)
    }
  }
}

extension Adapter {
  /// α of an input-shortcut root (Merging §4.6): what its rule makes exact; always 1 in the
  /// published code.
  func rootFactor(_ profile: MergeInputs.Profile) -> Double {
    profile == .lmops || topology.root == .ownInput ? 1 : 0
  }
}
