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
    /// The name of the block with the largest error.
    public var worstBlock: String
    /// The figures of each block.
    public var blocks: [Block]

    /// States what was measured.
    public init(
      name: String, reason: String? = nil, calibrationTokens: Int? = nil, meanDeltaError: Double,
      meanOutputError: Double? = nil, worstBlock: String, blocks: [Block]
    ) {
      self.name = name
      self.reason = reason
      self.calibrationTokens = calibrationTokens
      self.meanDeltaError = meanDeltaError
      self.meanOutputError = meanOutputError
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
    /// The error of the weight as a folded checkpoint stores it.
    public var storedError: Double?

    /// States what was measured.
    public init(
      name: String, deltaError: Double, outputError: Double? = nil, maxTokenError: Double,
      cosine: Double, alpha: [Double] = [], oracleAlpha: Double? = nil, storedError: Double? = nil
    ) {
      self.name = name
      self.deltaError = deltaError
      self.outputError = outputError
      self.maxTokenError = maxTokenError
      self.cosine = cosine
      self.alpha = alpha
      self.oracleAlpha = oracleAlpha
      self.storedError = storedError
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
