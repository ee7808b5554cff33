public import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Tensors

/// A plain LoRA whose rank was cut by the singular value decomposition of each block's product,
/// computed from the factors and never from the dense product (Merging §4.9).
///
/// The cut factors are held in memory in float64: (in + out) times the new rank for each cut block.
public struct TruncatedLoRA: PlainLoRA {
  /// What is known of every block after the cut.
  public let blocks: [PlainBlock]
  /// `‖Δ − Δ_cut‖ / ‖Δ‖` of every block; 0 for one left as it was.
  public let relativeErrors: [Double]

  private let original: any PlainLoRA
  private let cut: [PlainFactors?]

  /// Cuts every block of a LoRA whose rank is above what the truncation keeps.
  ///
  /// - Throws: errors of computing the factors, `LinearAlgebraError`.
  init(_ original: any PlainLoRA, _ truncation: RankTruncation, _ inputs: MergeInputs) throws {
    self.original = original
    let results = try BLAS.withoutOwnThreads {
      try Parallel.map(original.blocks.count, threads: inputs.threads) { index in
        try inputs.progress(0, 0)
        return try TruncatedLoRA.truncate(original, index, truncation)
      }
    }
    blocks = zip(original.blocks, results).map { block, result in
      guard let (factors, _) = result else { return block }
      func computed(_ dtype: DType) -> DType { dtype == .f64 ? .f64 : .f32 }
      return PlainBlock(
        name: block.name, rank: factors.a.rows, inFeatures: block.inFeatures,
        outFeatures: block.outFeatures, scaling: block.scaling,
        aDType: computed(max(block.aDType, block.bDType)),
        bDType: computed(max(block.aDType, block.bDType)))
    }
    cut = results.map { $0?.factors }
    relativeErrors = results.map { $0?.relativeError ?? 0 }
  }

  /// The factors of a block.
  public func factors(of index: Int) throws -> PlainFactors {
    try cut[index] ?? original.factors(of: index)
  }

  /// The cut factors, or nil for a block that keeps its own.
  private static func truncate(
    _ lora: any PlainLoRA, _ index: Int, _ truncation: RankTruncation
  ) throws -> (factors: PlainFactors, relativeError: Double)? {
    let rank = lora.blocks[index].rank
    if case .rank(let limit) = truncation, rank <= limit { return nil }
    let factors = try lora.factors(of: index)
    let (qb, rb) = try Factorisation.qr(factors.b)
    let (qa, ra) = try Factorisation.qr(factors.a.transposed)
    let (u, sigma, vt) = try Factorisation.svd(rb.times(ra.transposed))
    let kept = truncation.keptCount(sigma)
    guard kept < rank else { return nil }
    // Each factor takes the root of a singular value, so that both have rows of like size.
    var left = Matrix(rows: u.rows, columns: kept)
    var right = Matrix(rows: kept, columns: vt.columns)
    for k in 0..<kept {
      let root = sigma[k].squareRoot()
      for row in 0..<u.rows { left[row, k] = u[row, k] * root }
      for column in 0..<vt.columns { right[k, column] = vt[k, column] * root }
    }
    let total = sigma.reduce(0) { $0 + $1 * $1 }
    let lost = sigma[kept...].reduce(0) { $0 + $1 * $1 }
    return (
      PlainFactors(a: right.times(qa.transposed), b: qb.times(left)),
      total == 0 ? 0 : (lost / total).squareRoot()
    )
  }
}
