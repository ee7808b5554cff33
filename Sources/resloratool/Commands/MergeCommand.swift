import Adapters
import ArgumentParser
import ByteIO
import Merging
import Tensors

/// `merge`: a ResLoRA adapter to a plain LoRA.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge a ResLoRA adapter into a plain LoRA.",
    discussion: """
      Writes a folder that PEFT loads, or one safetensors file. The report tells the merge factors \
      and the norm of what each block adds.
      """)

  /// How the result is stored.
  enum Layout: String, ExpressibleByArgument, CaseIterable {
    case peft, safetensors
  }

  @Argument(help: "The adapter: a file or folder in any format.")
  var adapter: String

  @Option(
    help: ArgumentHelp("Base weights: needed by bw, and for folded norms.", valueName: "path"))
  var base: String?

  @Option(
    help: "How to store the result (default: by the output's extension, else peft).")
  var layout: Layout?

  @OptionGroup var merge: MergeOptions
  @OptionGroup var source: AdapterOptions
  @OptionGroup var target: OutputOptions
  @OptionGroup var nonFinite: NonFiniteOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let input = try Adapter(path: adapter, overrides: source.overrides())
    let base = try base.map { try BaseCheckpoint(path: $0) }
    common.warn(base?.warnings ?? [])
    let (method, _) = try MergeMethods.choose(merge.method, for: input, hasBase: base != nil)
    let (output, layout) = try destination(method.name)
    try checkOutput(output, layout, input)
    let result = try merge.run(
      input, base: base?.source, allowsNonFinite: nonFinite.isAllowed, common)
    try Interruption.check()
    if !target.isDryRun {
      let dtype = target.dtype?.dtype
      switch layout {
      case .peft: try result.lora.writePEFTFolder(to: output, dtype: dtype, replacing: target.force)
      case .safetensors:
        try result.lora.writeSafetensors(to: output, dtype: dtype, replacing: target.force)
      }
    }
    let report = MergeReport(
      input, result, output: output, dtype: target.dtype?.dtype, isDryRun: target.isDryRun)
    try common.print(report.json, AdapterSummary.text(adapter, input) + report.text)
  }

  /// Where the result goes and how it is stored.
  private func destination(_ method: String) throws -> (path: String, layout: Layout) {
    guard let output = target.output else {
      let layout = layout ?? .peft
      let stem = try DefaultName.stem(of: adapter) + "-" + method
      return (layout == .peft ? stem : stem + ".safetensors", layout)
    }
    let byExtension: Layout =
      Paths.fileExtension(of: output) == "safetensors" ? .safetensors : .peft
    return (output, layout ?? byExtension)
  }

  private func checkOutput(_ output: String, _ layout: Layout, _ input: Adapter) throws {
    try target.check(
      output, against: [adapter, base, source.windows, source.topology] + input.files)
    switch layout {
    case .peft:
      try OutputFolder.check(
        path: output, names: PEFTOutput.fileNames, replacing: target.force)
    case .safetensors: try OutputFile.check(path: output, replacing: target.force)
    }
  }
}
