public import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Tensors

/// A plain LoRA whose rank was cut by the singular value decomposition of each block's product,
/// computed from the factors and never from the dense product (Merging §4.9); with captured inputs,
/// by what the product does to those (Replay §5).
///
/// The cut factors are held in memory in float64: (in + out) times the new rank for each cut block.
public struct TruncatedLoRA: PlainLoRA {
  /// What is known of every block after the cut.
  public let blocks: [PlainBlock]
  /// What each block lost; a block that is left as it was lost nothing.
  public let losses: [TruncationLoss]

  private let original: any PlainLoRA
  private let cut: [PlainFactors?]

  /// Cuts every block of a LoRA whose rank is above what the truncation keeps.
  ///
  /// - Throws: errors of computing the factors, `LinearAlgebraError`, `CaptureError.nonFinite`.
  init(_ original: any PlainLoRA, _ truncation: RankTruncation, _ inputs: MergeInputs) throws {
    self.original = original
    let candidates = original.blocks.indices.filter { index in
      if case .rank(let limit) = truncation { return original.blocks[index].rank > limit }
      return true
    }
    let results = try BLAS.withoutOwnThreads(on: inputs.threads) {
      let metrics = try inputs.calibration.map {
        try InputMetric.sums(original, of: candidates, $0.inputs, inputs)
      }
      return try Parallel.map(candidates.count, threads: inputs.threads) { position in
        try inputs.progress(0, 0)
        let index = candidates[position]
        return try FactorTruncation(
          original.factors(of: index), truncation, metric: metrics?[index])
      }
    }
    var cut = [FactorTruncation?](repeating: nil, count: original.blocks.count)
    for (index, result) in zip(candidates, results) { cut[index] = result }
    self.cut = cut.map { $0?.factors }
    losses = cut.map {
      TruncationLoss(
        relativeError: $0?.relativeError ?? 0,
        plainRelativeError: inputs.calibration == nil ? nil : $0?.plainRelativeError ?? 0)
    }
    blocks = zip(original.blocks, cut).map { block, result in
      guard let factors = result?.factors else { return block }
      func computed(_ dtype: DType) -> DType { dtype == .f64 ? .f64 : .f32 }
      return PlainBlock(
        name: block.name, rank: factors.a.rows, inFeatures: block.inFeatures,
        outFeatures: block.outFeatures, scaling: block.scaling,
        aDType: computed(max(block.aDType, block.bDType)),
        bDType: computed(max(block.aDType, block.bDType)))
    }
  }

  /// Whether any block was cut.
  var cutsAny: Bool { cut.contains { $0 != nil } }

  /// The factors of a block.
  public func factors(of index: Int) throws -> PlainFactors {
    try cut[index] ?? original.factors(of: index)
  }
}

/// What cutting a block's rank lost.
public struct TruncationLoss: Sendable, Equatable {
  /// `‖Δ − Δ_cut‖ / ‖Δ‖`; with captured inputs `‖X (Δ − Δ_cut)ᵀ‖ / ‖X Δᵀ‖`.
  public let relativeError: Double
  /// What a cut to the same rank by `‖Δ‖` would have lost on the captured inputs; nil without them.
  public let plainRelativeError: Double?
}
