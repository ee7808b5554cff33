/// A page about a replay: what merges cost on captured activations, one method or several compared.
public struct VerifyReportPage: Sendable {
  /// The adapter that was replayed.
  public var adapter: ReportedAdapter
  /// Where the activations come from.
  public var activations: String?
  /// How many tokens the error was measured on.
  public var tokens: Int
  /// The base, where output errors were measured.
  public var base: String?
  /// The methods that were measured, in the order asked for.
  public var methods: [Method]
  /// What the user should not overlook, one line each.
  public var warnings: [String]

  /// What one merge costs.
  public struct Method: Sendable {
    /// Its name.
    public var name: String
    /// Why that method, where it is not the one asked for.
    public var reason: String?
    /// The tokens it was calibrated on; nil where it needs none.
    public var calibrationTokens: Int?
    /// The mean over all blocks of the relative error of the low-rank term.
    public var meanDeltaError: Double
    /// The mean over all blocks of the relative error of the output; nil without a base.
    public var meanOutputError: Double?
    /// The mean over all blocks of the error that rounding added; nil without a folded checkpoint.
    public var meanStoredError: Double?
    /// The mean over all blocks of the error of merge and rounding together.
    public var meanFoldedError: Double?
    /// The name of the block with the largest error.
    public var worstBlock: String
    /// The figures of each block.
    public var blocks: [Block]

    /// States what was measured.
    public init(
      name: String, reason: String? = nil, calibrationTokens: Int? = nil, meanDeltaError: Double,
      meanOutputError: Double? = nil, meanStoredError: Double? = nil,
      meanFoldedError: Double? = nil, worstBlock: String, blocks: [Block]
    ) {
      self.name = name
      self.reason = reason
      self.calibrationTokens = calibrationTokens
      self.meanDeltaError = meanDeltaError
      self.meanOutputError = meanOutputError
      self.meanStoredError = meanStoredError
      self.meanFoldedError = meanFoldedError
      self.worstBlock = worstBlock
      self.blocks = blocks
    }
  }

  /// What a merge costs in one block.
  public struct Block: Sendable {
    /// The name of its module.
    public var name: String
    /// `‖Δ_res − Δ_mer‖ / ‖Δ_res‖`
    public var deltaError: Double
    /// `‖Δ_res − Δ_mer‖ / ‖X Wᵀ + Δ_res‖`; nil without a base.
    public var outputError: Double?
    /// The largest relative error of a token.
    public var maxTokenError: Double
    /// The cosine between both terms.
    public var cosine: Double
    /// The merge factors; empty where none applies.
    public var alpha: [Double]
    /// The factor that least squares gives on the same tokens.
    public var oracleAlpha: Double?
    /// The error that rounding in a folded checkpoint added.
    public var storedError: Double?
    /// The error of merge and rounding together.
    public var foldedError: Double?
    /// What cutting the rank lost, where it was cut.
    public var cut: ReportedCut?
    /// How the block was fitted, where it was.
    public var fit: ReportedFit?

    /// States what was measured.
    public init(
      name: String, deltaError: Double, outputError: Double? = nil, maxTokenError: Double,
      cosine: Double, alpha: [Double] = [], oracleAlpha: Double? = nil, storedError: Double? = nil,
      foldedError: Double? = nil, cut: ReportedCut? = nil, fit: ReportedFit? = nil
    ) {
      self.name = name
      self.deltaError = deltaError
      self.outputError = outputError
      self.maxTokenError = maxTokenError
      self.cosine = cosine
      self.alpha = alpha
      self.oracleAlpha = oracleAlpha
      self.storedError = storedError
      self.foldedError = foldedError
      self.cut = cut
      self.fit = fit
    }
  }

  /// Describes a replay.
  public init(
    adapter: ReportedAdapter, activations: String? = nil, tokens: Int, base: String? = nil,
    methods: [Method], warnings: [String] = []
  ) {
    self.adapter = adapter
    self.activations = activations
    self.tokens = tokens
    self.base = base
    self.methods = methods
    self.warnings = warnings
  }

  /// The page as HTML, complete in itself.
  public func html(_ source: ReportSource) -> String {
    VerifyReportLayout(self).shell(source).html
  }
}
