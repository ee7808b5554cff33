public import Tensors

/// What a merge cost on captured inputs (Replay §3).
public struct ReplayResult: Sendable {
  /// The merge method, or what else was measured.
  public let name: String
  /// The number of tokens replayed.
  public let tokens: Int
  /// The figures of each block, in the adapter's order.
  public let blocks: [BlockReplay]

  /// The mean of `deltaError` over the blocks that have one.
  public var meanDeltaError: Double? { mean(\.deltaError) }
  /// The mean of `outputError` over the blocks that have one.
  public var meanOutputError: Double? { mean(\.outputError) }
  /// The block of the largest `deltaError`, the first of equal ones; nil where all are rounding only.
  public var worstBlock: BlockReplay? {
    blocks.reduce(nil) { worst, block in
      guard let error = block.deltaError, error > 1e-12 else { return worst }
      guard let least = worst?.deltaError, least >= error else { return block }
      return worst
    }
  }

  /// The mean of a figure over the blocks that have it.
  public func mean(_ figure: KeyPath<BlockReplay, Double?>) -> Double? {
    let values = blocks.compactMap { $0[keyPath: figure] }
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}

/// What a merge cost one block on captured inputs; errors are relative, without unit. Nil where a
/// figure is not defined: its denominator is 0 and its numerator is not, or what it needs was not
/// given.
public struct BlockReplay: Sendable {
  /// The block.
  public let name: TensorName
  /// `‖Δ_res − Δ_mer‖ / ‖Δ_res‖` over all tokens.
  public let deltaError: Double?
  /// `‖Δ_res − Δ_mer‖ / ‖X Wᵀ + Δ_res‖`; nil without base weights.
  public let outputError: Double?
  /// The largest relative error of a token whose `Δ_res` is not 0; nil without one.
  public let maxTokenError: Double?
  /// `⟨Δ_res, Δ_mer⟩ / (‖Δ_res‖ ‖Δ_mer‖)`
  public let cosine: Double?
  /// The merge factors.
  public let alpha: [Double]
  /// The α that least squares gives on the tokens replayed; nil where no scalar applies.
  public let oracleAlpha: Double?
  /// `‖Δ_res‖`, in the unit of hidden states.
  public let referenceNorm: Double
  /// `‖X (W_folded − W − Δ_mer)ᵀ‖ / ‖Δ_res‖`: what rounding in the folded weights adds, apart.
  public let storedError: Double?
  /// `‖Δ_res − X (W_folded − W)ᵀ‖ / ‖Δ_res‖`: merge and rounding together.
  public let foldedError: Double?
}
