public import Adapters
internal import Tensors

/// A plain LoRA to hold against the adapter it was merged from, and weights it was folded into.
public struct ReplayCandidate: Sendable {
  /// What to call it: the merge method, or a path.
  public let name: String
  /// The merge factors of each block, where they are known (Merging §5.4).
  public let alpha: [[Double]]
  /// The LoRA.
  let lora: any PlainLoRA
  /// Each block's position in the LoRA.
  let positions: [Int]

  /// Finds an adapter's blocks in a LoRA; names are reconciled as those of base weights are
  /// (Merging §6.3).
  ///
  /// - Parameter alpha: the merge factors by block of the adapter; empty where they are not known.
  /// - Throws: `ReplayError` for blocks that one has and the other lacks, or of another shape.
  public init(
    name: String, lora: any PlainLoRA, of adapter: Adapter, alpha: [[Double]] = []
  ) throws(ReplayError) {
    let known = Dictionary(lora.blocks.enumerated().map { ($1.name, $0) }) { first, _ in first }
    let found = BaseMatch.positions(of: adapter.blocks.map(\.name), in: known)
    let missing = zip(adapter.blocks, found).filter { $1 == nil }.map(\.0.name)
    let extra = Set(lora.blocks.indices).subtracting(found.compactMap { $0 }).sorted()
    guard missing.isEmpty, extra.isEmpty else {
      throw .otherBlocks(
        merged: name, missing: missing, extra: extra.map { lora.blocks[$0].name })
    }
    positions = found.compactMap { $0 }
    for (block, position) in zip(adapter.blocks, positions) {
      let other = lora.blocks[position]
      let (shape, expected) = (
        [other.outFeatures, other.inFeatures], [block.outFeatures, block.inFeatures]
      )
      guard shape == expected else {
        throw .otherShape(merged: name, block: block.name, found: shape, expected: expected)
      }
    }
    self.name = name
    self.lora = lora
    self.alpha = alpha.isEmpty ? adapter.blocks.map { _ in [] } : alpha
  }

  /// The factors of a block of the adapter.
  func factors(of block: Int) throws -> PlainFactors { try lora.factors(of: positions[block]) }

  /// The rank of a block of the adapter.
  func rank(of block: Int) -> Int { lora.blocks[positions[block]].rank }

  /// What multiplies `B A`.
  func scaling(of block: Int) -> Double { lora.blocks[positions[block]].scaling }
}
