import Activations
import Adapters
import ArgumentParser
import ByteIO
import Contents
import FoldJobs
import Merging
import ResLoRAContainer
import Safetensors
import Tensors

/// `convert`: from one format to another.
struct ConvertCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert an adapter, activations, norm windows or a checkpoint to another format.",
    discussion: """
      Adapters keep tensors, links, norm windows and metadata to the bit. Activations go to \
      safetensors and HDF5, norm windows to JSON and HDF5, checkpoints to one safetensors file.
      """)

  @Argument(help: "A file or folder in any format.")
  var input: String

  @Argument(help: "Where to write.")
  var output: String

  @Option(
    help: ArgumentHelp(
      "Base weights whose hashes and statistics to record, so that bw runs without them.",
      valueName: "path"))
  var base: String?

  @OptionGroup var storage: FormatOption
  @OptionGroup var source: AdapterOptions
  @OptionGroup var target: OutputOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try FoldJob.checkNotPending([input] + [base].compactMap { $0 })
    let content = try PathContent(path: input, overrides: source.overrides(), hdf5: .isolated)
    try OutputOptions.check(
      output, against: [input, base, source.windows, source.topology] + content.files)
    let bar = ProgressBar("converting", isQuiet: common.quiet)
    defer { bar.finish() }
    let result =
      switch content {
      case .adapter(let adapter): try convert(adapter, bar)
      case .updates(let updates): try refuse(updates)
      case .activations(let file): try convert(file, bar)
      case .windows(let file): try convert(file)
      case .checkpoint(let checkpoint): try convert(checkpoint, bar)
      }
    bar.finish()
    common.warn(result.warnings)
    try report(result)
  }

  /// What was written, and what of the input has no place in it.
  private struct Result {
    let kind: String
    let from: String
    let to: String
    let byteCount: Int
    /// What the bytes are of.
    var unit = "tensors"
    var notes: [String] = []
    var warnings: [String] = []
  }

  /// Only a fold takes it.
  private func refuse(_ updates: AdapterUpdates) throws -> Result {
    guard let reason = updates.foldOnly else { preconditionFailure("a plain LoRA is an adapter") }
    throw reason
  }

  private func convert(_ adapter: Adapter, _ bar: ProgressBar) throws -> Result {
    guard let format = storage.format(for: output) else {
      throw ValidationError(
        "the name of \(output.escapedForTerminal) tells no format; name one with --to "
          + AdapterOutputFormat.allValueStrings.joined(separator: "|"))
    }
    try storage.checkCompression(for: format)
    try format.checkOutput(at: output, replacing: target.force)
    var converted = source.areGiven ? try adapter.droppingForeignStatistics() : adapter
    try format.check(AdapterFileContent(converted), for: output)
    var warnings: [String] = []
    if let dtype = target.dtype { converted = try converted.converted(to: dtype.dtype) }
    if let base {
      let checkpoint = try BaseCheckpoint(path: base)
      warnings += checkpoint.warnings
      var inputs = MergeInputs(base: checkpoint.source, threads: common.threadCount)
      inputs.progress = { try bar.update($0, of: $1) }
      converted = try converted.recordingBase(inputs)
      let others = zip(adapter.blocks, converted.blocks).filter { before, after in
        before.base.map { $0.sha256 != after.base?.sha256 } ?? false
      }
      warnings += Adapter.warnings(ofOtherBase: others.map { $0.0.name })
    } else {
      warnings += droppedStatistics(adapter, converted)
    }
    if converted.provenance.attachments.count < adapter.provenance.attachments.count {
      warnings += adapter.provenance.attachments.map {
        "chunk '\($0.type)': left out, it is about the adapter in its own dtype"
      }
    }
    let file = try AdapterFileContent(converted)
    if !target.isDryRun {
      try format.write(file, to: output, options: storage.writeOptions(target, common, bar))
    }
    return Result(
      kind: "adapter", from: adapter.format, to: format.name, byteCount: file.byteCount,
      notes: adapter.notes, warnings: warnings + format.losses(of: file))
  }

  /// What another dtype or other links take from an adapter.
  private func droppedStatistics(_ adapter: Adapter, _ converted: Adapter) -> [String] {
    func count(_ adapter: Adapter) -> Int {
      adapter.blocks.filter { $0.base?.statistics != nil }.count
    }
    let dropped = count(adapter) - count(converted)
    return dropped == 0
      ? []
      : [
        "statistics of the base weights of \(dropped) blocks: left out, they hold for the factors "
          + "and links before; --base records new ones"
      ]
  }

  private func convert(_ file: ActivationFile, _ bar: ProgressBar) throws -> Result {
    try refuseAdapterOptions("activations")
    let name = try fileFormat(among: ["safetensors", "hdf5"], for: "activations")
    let format: ActivationFile.OutputFormat = name == "hdf5" ? .hdf5 : .safetensors
    try OutputFile.check(path: output, replacing: target.force)
    try file.check(format, for: output)
    if !target.isDryRun {
      try file.write(
        to: output, format, replacing: target.force, threads: common.threadCount
      ) { try bar.update($0, of: $1) }
    }
    return Result(
      kind: "activations", from: file.format,
      to: format == .hdf5 ? "activations in HDF5" : "activations in safetensors",
      byteCount: file.matrices.byteCount)
  }

  private func convert(_ file: WindowsFile) throws -> Result {
    try refuseAdapterOptions("norm windows")
    let isJSON = storage.format == nil && Paths.fileExtension(of: output).lowercased() == "json"
    guard isJSON || storage.format(for: output)?.identifier == "hdf5" else {
      throw ValidationError(
        "norm windows can be written as JSON or HDF5; give the output the extension .json or .h5")
    }
    let format = isJSON ? "JSON" : "HDF5"
    try OutputFile.check(path: output, replacing: target.force)
    if !target.isDryRun {
      if isJSON {
        try file.writeJSON(to: output, replacing: target.force)
      } else {
        try file.writeHDF5(to: output, replacing: target.force)
      }
    }
    let count = file.blocks.reduce(0) {
      $0 + $1.windows.input.values.count + $1.windows.projection.values.count
    }
    return Result(
      kind: "windows", from: file.format, to: "norm windows in \(format)", byteCount: 8 * count,
      unit: "norms")
  }

  private func convert(_ checkpoint: PathContent.Checkpoint, _ bar: ProgressBar) throws -> Result {
    try refuseAdapterOptions("a checkpoint")
    _ = try fileFormat(among: ["safetensors"], for: "a checkpoint")
    try OutputFile.check(path: output, replacing: target.force)
    if !target.isDryRun {
      try SafetensorsWriter.write(
        checkpoint.source, metadata: checkpoint.metadata, to: output, replacing: target.force
      ) { try bar.update($0, of: $1) }
    }
    return Result(
      kind: "checkpoint", from: checkpoint.format, to: "safetensors",
      byteCount: checkpoint.source.byteCount, warnings: checkpoint.warnings)
  }

  /// The format for content that is no adapter, which not every format can hold.
  private func fileFormat(among identifiers: [String], for what: String) throws -> String {
    guard let format = storage.format(for: output), identifiers.contains(format.identifier) else {
      throw ValidationError(
        "\(what) can be written as \(identifiers.joined(separator: " or ")); give the output such an "
          + "extension, or say --to")
    }
    return format.identifier
  }

  private func refuseAdapterOptions(_ what: String) throws {
    try storage.checkCompression(for: nil)
    if base != nil || target.dtype != nil || source.areGiven {
      throw ValidationError(
        "--base, --dtype, --windows, --topology, --root and --pre-num are for adapters, and this is "
          + what)
    }
  }

  private func report(_ result: Result) throws {
    let json = JSONValue.members([
      "input": .string(input), "output": .string(output), "kind": .string(result.kind),
      "from": .string(result.from), "to": .string(result.to), "bytes": .integer(result.byteCount),
      "dry_run": .bool(target.isDryRun), "notes": .array(result.notes.map(JSONValue.string)),
      "warnings": .array(result.warnings.map(JSONValue.string)),
    ])
    let verb = target.isDryRun ? "would write" : "wrote"
    try common.print(
      json,
      "\(verb) \(output.escapedForTerminal): \(result.from) → \(result.to), "
        + "\(Format.bytes(result.byteCount)) of \(result.unit)\n"
        + result.notes.map { "note: \($0)\n" }.joined())
  }
}
