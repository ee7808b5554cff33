public import Tensors

/// How one block's factors become those of a plain LoRA, and the numbers behind it.
public struct BlockMerge: Sendable, Equatable {
  /// How factors are combined (Merging §5.1).
  public enum Combination: Sendable, Equatable {
    /// B multiplied by a number; 1 leaves the block as it is.
    case scaled(Double)
    /// The predecessors' A added to A, each multiplied by its number, nearest first.
    case mixed([Double])
    /// The predecessors' factors joined to the block's own.
    case joined
    /// A matrix [rank, in] added to A.
    case corrected(Matrix)
  }

  /// How factors are combined.
  public let combination: Combination
  /// The merge factors as reported (Merging §5.4).
  public let alpha: [Double]
  /// The norm the method took of the block: `f` or `f*`; nil where it takes none.
  public let norm: Double?
  /// `‖W + Δ‖` where the method computed it.
  public let foldedNorm: Double?
  /// How the block was fitted on captured inputs; nil where it was not.
  public let fit: BlockFit?
  /// What other methods would have cost, where several were tried; the one taken is among them.
  public let trials: [MergeTrial]

  init(
    _ combination: Combination, alpha: [Double] = [], norm: Double? = nil,
    foldedNorm: Double? = nil, fit: BlockFit? = nil, trials: [MergeTrial] = []
  ) {
    self.combination = combination
    self.alpha = alpha
    self.norm = norm
    self.foldedNorm = foldedNorm
    self.fit = fit
    self.trials = trials
  }
}
