internal import Adapters
internal import Tensors

/// The means of the norm windows that a merge uses, checked before it divides by them
/// (Merging §4.7).
struct WindowMeans {
  private let means: [Double?]

  /// Takes the means of one kind of window for the blocks that take part in a link.
  ///
  /// - Throws: `MergeError.missingWindows` with all blocks that lack one; `MergeError.zeroWindows`
  ///   unless the profile gives zero norms the factor 1.
  init(
    _ adapter: Adapter, _ kind: String, _ window: (NormWindows) -> NormWindow,
    allowingZero: Bool
  ) throws(MergeError) {
    let used = Set(
      adapter.blocks.indices.flatMap { position in
        let predecessors = adapter.topology.predecessors(of: position)
        return predecessors.isEmpty ? [] : [position] + predecessors
      })
    means = adapter.blocks.indices.map {
      used.contains($0) ? window(adapter.blocks[$0].windows).mean : nil
    }
    let missing = used.sorted().filter { means[$0] == nil }.map { adapter.blocks[$0].name }
    guard missing.isEmpty else { throw .missingWindows(blocks: missing, kind: kind) }
    let zero = used.sorted().filter { means[$0] == 0 }.map { adapter.blocks[$0].name }
    guard allowingZero || zero.isEmpty else { throw .zeroWindows(blocks: zero, kind: kind) }
  }

  /// The mean of a block's window; nil for a block without links.
  subscript(block: Int) -> Double? { means[block] }

  /// `f_other / f_block`; 1 where either is 0, which only the lmops profile lets through.
  func ratio(of other: Int, to block: Int) -> Double {
    guard let f = means[block], let g = means[other], f != 0, g != 0 else { return 1 }
    return g / f
  }
}
