import Adapters
import ArgumentParser
import ByteIO
import FoldJobs
import MergeJobs
import Merging
import Planning
import ResLoRAContainer
import Reports
import Tensors

/// `merge`: a ResLoRA adapter to a plain LoRA.
struct MergeCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge a ResLoRA adapter into a plain LoRA.",
    discussion: """
      Writes a folder that PEFT loads, or one file of any format that convert writes. The report \
      tells the merge factors and the norm of what each block adds.
      """)

  @Argument(help: "The adapter: a file or folder in any format.")
  var adapter: String

  @Option(
    help: ArgumentHelp("Base weights: needed by bw, and for folded norms.", valueName: "path"))
  var base: String?

  @OptionGroup var merge: MergeOptions
  @OptionGroup var source: AdapterOptions
  @OptionGroup var output: OutputPathOption
  @OptionGroup var storage: FormatOption
  @OptionGroup var target: OutputOptions
  @OptionGroup var plan: PlanOptions
  @OptionGroup var page: ReportOptions
  @OptionGroup var nonFinite: NonFiniteOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard plan.isPlanned else { return }
    guard merge.settings.calibration.calibration != nil, merge.settings.compat == .standard else {
      throw ValidationError(
        "a plan of a merge is of --method calibrated: name --calibration FILE, without --compat; other "
          + "merges are soon done here")
    }
    if page.path != nil || target.isDryRun {
      throw ValidationError(
        "a plan is made and nothing merged here: leave out --html ('plan run --stage finish' takes it) "
          + "and --dry-run")
    }
  }

  func run() throws {
    try FoldJob.checkNotPending([adapter] + [base].compactMap { $0 })
    let input = try Adapter(path: adapter, overrides: source.overrides(), hdf5: .isolated)
    let base = try base.map { try BaseCheckpoint(path: $0) }
    common.warn(base?.warnings ?? [])
    let (method, _) = try MergeMethods.choose(
      merge.method, for: input, hasBase: base != nil,
      hasCalibration: merge.settings.calibration.calibration != nil,
      profile: merge.settings.compat)
    let (output, format) = try destination(method.name)
    try storage.checkCompression(for: format)
    let inputs =
      [
        adapter, self.base, source.windows, source.topology, merge.settings.calibration.calibration,
      ] + input.files
    try OutputOptions.check(output, against: inputs)
    try format.checkOutput(at: output, replacing: target.force)
    try page.check(output: output, against: inputs, replacing: target.force)
    if plan.isPlanned { return try writePlan(input, output, format, inputs) }
    try MergeJob.checkFree(output)
    let (result, warnings) = try merge.run(
      input, base: base?.source, allowsNonFinite: nonFinite.isAllowed, common)
    try Interruption.check()
    let file = try AdapterFileContent(
      result.lora, provenance: Provenance(baseModel: input.provenance.baseModel),
      dtype: target.dtype?.dtype)
    if target.isDryRun {
      try format.check(file, for: output)
    } else {
      let bar = ProgressBar("writing", isQuiet: common.quiet)
      defer { bar.finish() }
      try format.write(file, to: output, options: storage.writeOptions(target, common, bar))
    }
    var report = MergeReport(
      input, result, output: output, byteCount: file.byteCount, isDryRun: target.isDryRun)
    report.warnings = (base?.warnings ?? []) + warnings
    report.pagePath = page.path
    if !target.isDryRun {
      try page.write(replacing: target.force, json: report.json, report.page.html)
    }
    try common.print(report.json, AdapterSummary.text(adapter, input) + report.text)
  }

  /// The plan of a merge that is fitted on captured inputs.
  private func writePlan(
    _ input: Adapter, _ output: String, _ format: AdapterOutputFormat, _ inputs: [String?]
  ) throws {
    guard let choice = merge.settings.calibration.choice else { preconditionFailure("validated") }
    try plan.check(output: output, against: inputs)
    var request = MergeRequest(adapter: adapter, calibration: choice, output: output)
    request.base = base
    request.method = merge.method
    request.truncation = merge.settings.truncation
    request.stated = source.requested
    request.format = format.identifier
    request.compression = storage.compression ?? .automatic
    request.dtype = target.dtype?.dtype
    request.allowsNonFinite = nonFinite.isAllowed
    request.replacing = target.force
    let job = try MergeJob(request.absolute, on: foldMachine)
    common.warn(try job.warnings + job.warningsOfOtherBase(on: foldMachine))
    guard let report = try plan(job, plan) else { return }
    let json = JSONValue.members([
      "output": .string(job.output), "plan": report.path, "tasks": report.tasks,
      "jobs": report.jobs,
    ])
    try common.print(json, AdapterSummary.text(adapter, input) + "\n" + report.text)
  }

  /// Where the result goes and how it is stored: a PEFT folder unless something else is said.
  private func destination(_ method: String) throws -> (path: String, format: AdapterOutputFormat) {
    let format = output.path.flatMap(storage.format(for:)) ?? storage.format ?? .peft
    if let output = output.path { return (output, format) }
    let stem = try DefaultName.stem(of: adapter) + "-" + method
    return (format.fileExtensions.first.map { "\(stem).\($0)" } ?? stem, format)
  }
}
