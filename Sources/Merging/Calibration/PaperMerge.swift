public import Adapters
internal import Tensors

/// The paper's merge that fits on captured inputs are drawn towards (Replay §4.2 a): `bw` where base
/// weights or their statistics are at hand, else `bi` where all windows are that it needs.
public struct PaperMerge: Sendable {
  /// The method.
  public let method: String
  /// How it combines each block's factors.
  public let merges: [BlockMerge]

  /// Merges an adapter.
  ///
  /// - Returns: nil where neither base, statistics nor those windows are at hand.
  /// - Throws: as the method.
  public init?(_ adapter: Adapter, _ inputs: MergeInputs) throws {
    if inputs.base != nil || BaseStatistics.areStored(with: adapter) {
      (method, merges) = (
        WeightBasedMerge.name, try WeightBasedMerge.merge(adapter, inputs)
      )
    } else if let merges = try? InputBasedMerge.merge(adapter, inputs) {
      (method, self.merges) = (InputBasedMerge.name, merges)
    } else {
      return nil
    }
  }

  /// The merge by `bw` of weights that were measured elsewhere.
  ///
  /// - Throws: `MergeError.zeroNorm`.
  package init(_ merge: StepwiseMerge, _ statistics: [BlockStatistics]) throws(MergeError) {
    method = WeightBasedMerge.name
    merges = try merge.merges(statistics)
  }
}
