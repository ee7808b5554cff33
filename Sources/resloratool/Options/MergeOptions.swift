import Adapters
public import ArgumentParser
public import Merging
import Tensors

extension MergeInputs.Profile: ExpressibleByArgument {}

/// How to merge.
struct MergeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How to merge; without it, the best the inputs allow.",
      discussion: MergeMethods.all.map { "\($0.name): \($0.summary)." }.joined(separator: " "),
      valueName: MergeMethods.all.map { $0.name }.joined(separator: "|")))
  var method: String?

  @OptionGroup var settings: MergeSettings

  func validate() throws {
    if let method { _ = try MergeMethods.named(method) }
    try settings.calibration.checkSingle()
  }

  /// Merges an adapter, with a progress bar over the passes through the base. What is wrong with the
  /// base is said before the work.
  ///
  /// - Returns: the merge, and every warning it gave rise to.
  func run(
    _ adapter: Adapter, base: (any TensorSource)?, allowsNonFinite: Bool, _ common: CommonOptions
  ) throws -> (result: Merge.Result, warnings: [String]) {
    let bars = MergeBars(common)
    defer { bars.finish() }
    var inputs = settings.inputs(base: base, allowsNonFinite: allowsNonFinite, common)
    inputs.calibration = try settings.calibration.calibrations(for: adapter).first
    inputs.progress = { try bars.reading.update($0, of: $1) }
    inputs.fitProgress = { try bars.fitting.update($0, of: $1) }
    let warnings = try adapter.warningsOfOtherBase(inputs)
    common.warn(warnings)
    let result = try Merge(method: method, inputs: inputs, truncation: settings.truncation)
      .run(adapter)
    bars.finish()
    common.warn(result.warnings)
    return (result, warnings + result.warnings)
  }
}

/// What decides the numbers of a merge beside its method.
struct MergeSettings: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Whose numbers to give: the paper's, or those of the published code.",
      valueName: "standard|lmops"))
  var compat: MergeInputs.Profile = .standard

  @Option(help: ArgumentHelp("Cut every block to this rank at most.", valueName: "n"))
  var rank: Int?

  @Option(
    help: ArgumentHelp(
      "Cut every block to the rank that keeps this share of ‖Δ‖².", valueName: "share"))
  var energy: Double?

  @OptionGroup var calibration: CalibrationOptions

  func validate() throws {
    if let rank, rank < 1 { throw ValidationError("--rank must be 1 or more") }
    if let energy, !(energy > 0 && energy <= 1) {
      throw ValidationError("--energy must be above 0 and at most 1")
    }
    if rank != nil, energy != nil {
      throw ValidationError("--rank and --energy exclude each other")
    }
  }

  var truncation: RankTruncation? {
    rank.map(RankTruncation.rank) ?? energy.map(RankTruncation.energy)
  }

  func inputs(
    base: (any TensorSource)?, allowsNonFinite: Bool, _ common: CommonOptions
  ) -> MergeInputs {
    MergeInputs(
      base: base, profile: compat, allowsNonFinite: allowsNonFinite, threads: common.threadCount)
  }
}
