public import Adapters

/// `bw`: the shortcut's share estimated from the norms of merged weights, each chain walked from
/// its root (Merging §4.4, Eqs. 10, 11, 13).
public enum WeightBasedMerge: MergeMethod {
  /// The name on the command line.
  public static let name = "bw"
  /// What it does.
  public static let summary = "scale or mix by the norms of merged weights (Eqs. 10, 11, 13)"
  /// It does: a shortcut from another input.
  public static let estimates = true

  /// Reads the base once for its statistics, then walks the chains.
  ///
  /// - Throws: `MergeError.missingBase`, `MergeError.zeroNorm`, `BaseMatchError`, errors of reading.
  public static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    switch (adapter.structure, inputs.profile) {
    case (.inputShortcut, .lmops): return try PublishedMerge.inputShortcut(adapter, inputs)
    case (.middleShortcut, .lmops): return try PublishedMerge.middleShortcut(adapter, inputs)
    default:
      let merge = try StepwiseMerge(adapter, allowsNonFinite: inputs.allowsNonFinite)
      return try merge.merges(BaseStatistics.ofLinkedFactors(adapter, inputs))
    }
  }
}
