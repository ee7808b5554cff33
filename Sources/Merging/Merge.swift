public import Adapters
internal import ByteIO
internal import Tensors

/// A merge: what is asked of it, and `run`.
public struct Merge: Sendable {
  /// The method's name; nil takes the best that the inputs allow (Merging §4.8).
  public var method: String?
  /// What it may use beside the adapter.
  public var inputs: MergeInputs
  /// How far to cut the rank; nil leaves it.
  public var truncation: RankTruncation?

  /// Describes a merge.
  public init(
    method: String? = nil, inputs: MergeInputs = MergeInputs(), truncation: RankTruncation? = nil
  ) {
    self.method = method
    self.inputs = inputs
    self.truncation = truncation
  }

  /// What a merge gives.
  public struct Result: Sendable {
    /// The plain LoRA.
    public let lora: any PlainLoRA
    /// The name of the method that was used.
    public let method: String
    /// Why, where it is not the one asked for.
    public let reason: String?
    /// Whose numbers it gave.
    public let profile: MergeInputs.Profile
    /// The figures of each block.
    public let blocks: [BlockFigures]
    /// What a user should know of how far the result is to be trusted, a line each.
    public let warnings: [String]
  }

  /// The figures of one merged block (Merging §5.4).
  public struct BlockFigures: Sendable {
    /// The merge factors.
    public let alpha: [Double]
    /// The norm the method took of the block, `f` or `f*`.
    public let norm: Double?
    /// The rank of the result.
    public let rank: Int
    /// `‖s B A‖` of the result.
    public let deltaNorm: Double
    /// `‖W + s B A‖`, where the base was given.
    public let foldedNorm: Double?
    /// What the rank's truncation lost, where one was asked for.
    public let truncation: TruncationLoss?
    /// How the block was fitted on captured inputs; nil where it was not.
    public let fit: BlockFit?
    /// What each method tried would have cost, where several were.
    public let trials: [MergeTrial]
  }

  /// What a merge decided, before figures are made of it.
  public struct Decision: Sendable {
    /// The plain LoRA.
    public let lora: any PlainLoRA
    /// The name of the method that was used.
    public let method: String
    /// Why, where it is not the one asked for.
    public let reason: String?
    /// How each block's factors are combined, and the norms the method took on the way.
    public let blocks: [BlockMerge]
    /// What each block's truncation lost, where one was asked for.
    public let truncations: [TruncationLoss]?
    /// What a user should know of how far the result is to be trusted, a line each.
    public let warnings: [String]
  }

  /// Merges an adapter without making figures of the result: no factor is read but by the method and
  /// the truncation.
  ///
  /// The base, where given, is read once by bw and not by other methods.
  ///
  /// - Throws: `MergeError`, `BaseMatchError`, errors of reading.
  public func decide(_ adapter: Adapter) throws -> Decision {
    let (chosen, reason) = try choose(for: adapter)
    return try decision(
      adapter, by: chosen, reason: reason, merges: chosen.merge(adapter, inputs))
  }

  /// The decision that a method's merges of all blocks make.
  ///
  /// - Throws: `MergeError.nonFiniteFactor`; errors of the truncation.
  package func decision(
    _ adapter: Adapter, by method: any MergeMethod.Type, reason: String?, merges: [BlockMerge]
  ) throws -> Decision {
    let broken = zip(adapter.blocks, merges).filter { !$1.alpha.allSatisfy(\.isFinite) }
    guard inputs.allowsNonFinite || broken.isEmpty else {
      throw MergeError.nonFiniteFactor(blocks: broken.map(\.0.name))
    }
    let merged = MergedLoRA(adapter, merges, allowsNonFinite: inputs.allowsNonFinite)
    let truncated = try truncation.map {
      try TruncatedLoRA(merged, $0, inputs)
    }
    return Decision(
      lora: truncated ?? merged, method: method.name, reason: reason, blocks: merges,
      truncations: truncated?.losses,
      warnings: calibrationWarnings(
        adapter, method, merges, cutsRanks: truncated?.cutsAny ?? false))
  }

  /// The merge as one that can go along with a fold in a single pass over the base: that of `bw` in
  /// the standard profile, is or ms, with a base and no truncation; nil for all others.
  ///
  /// - Throws: `MergeError`.
  package func stepwise(
    _ adapter: Adapter
  ) throws(MergeError) -> (merge: StepwiseMerge, reason: String?)? {
    let (chosen, reason) = try choose(for: adapter)
    let estimates = adapter.structure == .inputShortcut || adapter.structure == .middleShortcut
    guard chosen == WeightBasedMerge.self, inputs.profile == .standard, estimates,
      inputs.base != nil, truncation == nil
    else { return nil }
    return (try StepwiseMerge(adapter, allowsNonFinite: inputs.allowsNonFinite), reason)
  }

  /// The method that is used, and why where it is not the one asked for.
  package func choose(
    for adapter: Adapter
  ) throws(MergeError) -> (method: any MergeMethod.Type, reason: String?) {
    try MergeMethods.choose(
      method, for: adapter, hasBase: inputs.base != nil,
      hasCalibration: inputs.calibration != nil, profile: inputs.profile)
  }

  /// Merges an adapter.
  ///
  /// The base, where given, is read once; for a method other than bw, or after a truncation, only
  /// for the figures.
  ///
  /// - Throws: `MergeError`, `BaseMatchError`, errors of reading.
  public func run(_ adapter: Adapter) throws -> Result {
    try figures(of: decide(adapter))
  }

  /// What is reported of a decision: factors are made, and the base is read for what a method did not
  /// tell of `‖W + Δ‖`.
  ///
  /// - Throws: `BaseMatchError`, errors of reading.
  package func figures(of decision: Decision) throws -> Result {
    let (lora, merges) = (decision.lora, decision.blocks)
    let deltaNorms = try Parallel.map(lora.blocks.count, threads: inputs.threads) { index in
      try inputs.progress(0, 0)
      return try lora.deltaNorm(of: index)
    }
    let known =
      decision.truncations == nil ? merges.map(\.foldedNorm) : merges.map { _ in nil }
    let foldedNorms = try inputs.foldedNorms(
      of: lora, blocks: known.indices.filter { known[$0] == nil })
    let blocks = merges.indices.map { index in
      BlockFigures(
        alpha: merges[index].alpha, norm: merges[index].norm, rank: lora.blocks[index].rank,
        deltaNorm: deltaNorms[index],
        foldedNorm: known[index] ?? foldedNorms[index],
        truncation: decision.truncations?[index], fit: merges[index].fit,
        trials: merges[index].trials)
    }
    return Result(
      lora: lora, method: decision.method, reason: decision.reason, profile: inputs.profile,
      blocks: blocks, warnings: decision.warnings)
  }
}

extension MergeInputs {
  /// `‖W + Δ‖` of some blocks by a pass over their weights, nil for the others; nil for all without a
  /// base.
  ///
  /// - Throws: `BaseMatchError`, `MergeError.nonFiniteWeight`, errors of reading.
  func foldedNorms(of lora: any PlainLoRA, blocks: [Int]) throws -> [Double?] {
    var wanted = [Int?](repeating: nil, count: lora.blocks.count)
    guard let base, !blocks.isEmpty else { return wanted.map { _ in nil } }
    let match = try BaseMatch(
      lora.blocks.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: false)
    for block in blocks { wanted[block] = match.weights[block] }
    let statistics = try BaseStatistics.gather(weights: wanted, of: base, self) { index in
      let factors = try lora.factors(of: index)
      return MeasuringFactors(left: factors.b, rights: [factors.a])
    }
    return statistics.enumerated().map { $1?.mergedNorm([lora.blocks[$0].scaling]) }
  }
}
