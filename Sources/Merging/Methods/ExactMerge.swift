public import Adapters

/// `exact`: block-shortcut as one LoRA of the summed rank (Merging §4.2, Eq. 5).
public enum ExactMerge: MergeMethod {
  /// The name on the command line.
  public static let name = "exact"
  /// What it does.
  public static let summary = "block-shortcut without loss, at (m+1) times the rank (Eq. 5)"
  /// It does not.
  public static let estimates = false

  /// Joins every block with its predecessors.
  ///
  /// - Throws: `MergeError.notForStructure` for other structures than bs, `MergeError.zeroScaling`.
  public static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    guard adapter.structure == .blockShortcut else {
      throw MergeError.notForStructure(method: name, structure: adapter.structure)
    }
    return try adapter.blocks.indices.map { position in
      let predecessors = adapter.topology.predecessors(of: position)
      let block = adapter.blocks[position]
      if block.scaling == 0, predecessors.contains(where: { adapter.blocks[$0].scaling != 0 }) {
        throw MergeError.zeroScaling(block: block.name)
      }
      return BlockMerge(predecessors.isEmpty ? .scaled(1) : .joined)
    }
  }
}
