import Adapters
import ArgumentParser
import ByteIO
import Folding
import Merging
import Safetensors
import Tensors

/// `fold`: an adapter into base weights.
struct FoldCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fold",
    abstract: "Fold an adapter into base weights.",
    discussion: """
      Takes a plain LoRA, or a ResLoRA adapter that it merges on the way. Streams: memory does not \
      depend on the size of the base. The output appears under its name only when it is verified.
      """)

  @Argument(help: "The adapter: a file or folder in any format.")
  var adapter: String

  @Option(help: ArgumentHelp("Base weights: one safetensors file.", valueName: "base.safetensors"))
  var into: String

  @Flag(name: .customLong("allow-unmatched"), help: "Leave out blocks without a base weight.")
  var allowsUnmatched = false

  @OptionGroup var merge: MergeOptions
  @OptionGroup var source: AdapterOptions
  @OptionGroup var output: OutputPathOption
  @OptionGroup var target: OutputOptions
  @OptionGroup var nonFinite: NonFiniteOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let start = ContinuousClock.now
    if try Paths.kind(of: into) == .folder {
      throw ValidationError(
        "--into takes one safetensors file; \(into.escapedForTerminal) is a folder, and folding into "
          + "a sharded checkpoint is not supported yet")
    }
    let input = try Adapter(path: adapter, overrides: source.overrides(), hdf5: .isolated)
    let base = try BaseCheckpoint.file(path: into)
    let output = self.output.path ?? Paths.withoutExtension(into) + "-folded.safetensors"
    try target.check(
      output, against: [adapter, into, source.windows, source.topology] + input.files)
    try OutputFile.check(path: output, replacing: target.force)

    let merged = try merge.run(
      input, base: base, allowsNonFinite: nonFinite.isAllowed, common, withFigures: false)
    let plan = try FoldPlan(
      base: base, lora: merged.lora, dtype: target.dtype?.dtype, allowingUnmatched: allowsUnmatched)
    let layout =
      plan.output == base.tensors
      ? SafetensorsLayout(preserving: base.header)
      : SafetensorsLayout(ordered: plan.output, metadata: base.header.metadata)
    var report = FoldCommandReport(
      input, merged, plan, output: output, fileSize: layout.fileSize, threads: common.threadCount)
    if target.isDryRun {
      try Paths.requireSpace(layout.fileSize, at: output)
    } else {
      let writer = try SafetensorsWriter(path: output, layout: layout, replacing: target.force)
      let bar = ProgressBar("folding", isQuiet: common.quiet)
      defer { bar.finish() }
      report.result = try Fold(
        threads: common.threadCount, allowsNonFinite: nonFinite.isAllowed
      ).run(plan, into: writer) { try bar.update($0.bytesDone, of: $0.bytesTotal) }
      try Interruption.check()
      try writer.commit()
      bar.finish()
    }
    report.seconds = (ContinuousClock.now - start) / .seconds(1)
    common.warn(report.warnings)
    try common.print(report.json, AdapterSummary.text(adapter, input) + report.text)
  }
}
