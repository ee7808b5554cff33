import Activations
import Adapters
import ArgumentParser
import ByteIO
import FoldJobs
import Merging
import Replaying
import Reports
import Tensors

/// `verify`: what merges cost on captured inputs.
struct VerifyCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Replay captured inputs and measure what a merge costs.",
    discussion: """
      Computes what the blocks added in training, shortcuts and all, and what a merge of them adds, \
      on the same inputs. Measures merges made on the spot (--method, repeat it to compare), merged \
      adapters (--merged), and folded weights as they are stored (--folded).
      """)

  @Argument(help: "The adapter as it was trained: a file or folder in any format.")
  var adapter: String

  @Option(
    help: ArgumentHelp(
      "Captured inputs to measure on: safetensors or HDF5, a file or a folder of files.",
      valueName: "file"))
  var activations: String

  @Option(
    name: .customLong("method"),
    help: ArgumentHelp(
      "A merge to measure (repeatable); without any, the best the inputs allow.",
      valueName: MergeMethods.all.map { $0.name }.joined(separator: "|")))
  var methods: [String] = []

  @Option(
    help: ArgumentHelp("A plain LoRA merged from the adapter (repeatable).", valueName: "lora"))
  var merged: [String] = []

  @Option(
    help: ArgumentHelp(
      "A checkpoint that the merge was folded into: what rounding adds. Needs --base.",
      valueName: "checkpoint"))
  var folded: String?

  @Option(
    help: ArgumentHelp(
      "Base weights: for errors relative to the outputs, bw and --folded.", valueName: "path"))
  var base: String?

  @Option(help: ArgumentHelp("Measure on the first n tokens (default: all).", valueName: "n"))
  var tokens: Int?

  @Option(
    name: .customLong("max-error"),
    help: ArgumentHelp(
      "Exit with 1 if a block's delta error is above this.", valueName: "error"))
  var maxError: Double?

  @Flag(help: "Replace a page that exists.")
  var force = false

  @OptionGroup var page: ReportOptions
  @OptionGroup var settings: MergeSettings
  @OptionGroup var source: AdapterOptions
  @OptionGroup var nonFinite: NonFiniteOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    for method in methods { _ = try MergeMethods.named(method) }
    if let tokens, tokens < 1 { throw ValidationError("--tokens must be 1 or more") }
    if let maxError, !(maxError >= 0) { throw ValidationError("--max-error must be 0 or more") }
    if folded != nil {
      guard base != nil else { throw ValidationError("--folded needs the weights before: --base") }
      guard methods.count + merged.count <= 1, settings.calibration.tokens?.counts.count ?? 1 == 1
      else { throw ValidationError("--folded goes with one merge: the one that was folded") }
    }
  }

  func run() throws {
    try FoldJob.checkNotPending([adapter] + ([base, folded] + merged).compactMap { $0 })
    let input = try Adapter(path: adapter, overrides: source.overrides(), hdf5: .isolated)
    try page.check(
      output: nil,
      against: [
        adapter, activations, self.base, folded, source.windows, source.topology,
        settings.calibration.calibration,
      ] + merged + input.files, replacing: force)
    let base = try base.map { try BaseCheckpoint(path: $0) }
    var warnings = base?.warnings ?? []
    let folded = try folded.map { try FoldBase(path: $0) }
    warnings += folded?.warnings ?? []
    let file = try ActivationFile(path: activations, hdf5: .isolated)
    let captured = try CapturedInputs(file, for: input, tokens: tokens)
    let calibrations = try settings.calibration.calibrations(for: input)
    var inputs = settings.inputs(
      base: base?.source, allowsNonFinite: nonFinite.isAllowed, common)
    inputs.progress = { _, _ in try Interruption.check() }
    warnings += try input.warningsOfOtherBase(inputs)
    common.warn(warnings)
    let candidates = try candidates(input, inputs, calibrations, folded?.foldedMethods ?? [])
    var late = try warningsOfMeasuring(candidates, captured, calibrations, folded)
    let bar = ProgressBar("replaying", isQuiet: common.quiet)
    defer { bar.finish() }
    var replay = Replay(
      adapter: input, inputs: captured, base: base?.source, folded: folded?.source)
    replay.allowsNonFinite = nonFinite.isAllowed
    replay.threads = common.threadCount
    replay.progress = { try bar.update($0, of: $1) }
    let results = try replay.run(candidates.map(\.candidate))
    bar.finish()
    late += warningsOfResults(results)
    let report = VerifyReport(
      adapter: input, path: adapter, activations: activations, base: self.base,
      measured: zip(candidates, results).map { ($0, $1) }, maxError: maxError,
      warnings: warnings + late,
      pagePath: page.path,
      notes: captured.unusedBlocks == 0
        ? []
        : [
          "\(captured.unusedBlocks) "
            + (captured.unusedBlocks == 1
              ? "block of the activations is" : "blocks of the activations are")
            + " not in the adapter"
        ])
    common.warn(late)
    try page.write(replacing: force, json: report.json, report.page.html)
    try common.print(report.json, AdapterSummary.text(adapter, input) + report.text)
    if !report.passes { throw ExitCode(ExitStatus.checkFailed) }
  }
}
