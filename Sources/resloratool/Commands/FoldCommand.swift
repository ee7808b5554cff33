import Adapters
import ArgumentParser
import ByteIO
import FoldJobs
import Folding
import Merging
import Tensors

/// `fold`: adapters into base weights.
struct FoldCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "fold",
    abstract: "Fold adapters into base weights.",
    discussion: """
      Takes PEFT, MLX and kohya adapters of every kind that can be folded, plain LoRA in any format, \
      and ResLoRA adapters, which it merges on the way. Streams: memory does not depend on the size \
      of the base. The output appears under its name only when it is verified.
      """)

  @Argument(help: "The adapter: a file or folder in any format.")
  var adapter: String?

  @Option(help: ArgumentHelp("Base weights: a safetensors file or a folder.", valueName: "base"))
  var into: String?

  @OptionGroup var fold: FoldOptions
  @OptionGroup var plan: PlanOptions
  @OptionGroup var merge: MergeOptions
  @OptionGroup var source: AdapterOptions
  @OptionGroup var output: OutputPathOption
  @OptionGroup var target: OutputOptions
  @OptionGroup var page: ReportOptions
  @OptionGroup var nonFinite: NonFiniteOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if output.path?.isEmpty ?? false { throw ValidationError("-o must not be empty") }
    if page.path != nil, fold.undoFrom != nil || plan.isPlanned {
      throw ValidationError(
        "--html writes about a fold: it goes with the fold itself, or 'plan run --stage finish'")
    }
    if fold.isInPlace {
      guard fold.undoFrom == nil else {
        throw ValidationError("--undo-from writes the base to -o BASE, not in place")
      }
      guard output.path == nil, !plan.isPlanned else {
        throw ValidationError("--in-place has no other output: leave out -o and plans")
      }
    }
    if fold.undoFrom != nil {
      guard adapter == nil, fold.more.isEmpty, fold.undo == nil, !plan.isPlanned
      else {
        throw ValidationError("--undo-from takes a fold back: no adapter, no plan, no --undo")
      }
      guard into != nil, output.path != nil else {
        throw ValidationError("--undo-from FILE goes with --into FOLDED and -o BASE")
      }
      guard !statesSettings else {
        throw ValidationError("--undo-from gives the base back as it was: leave out other options")
      }
    } else {
      guard into != nil else { throw ValidationError("name the base: --into BASE") }
      guard adapter != nil || !fold.more.isEmpty else {
        throw ValidationError("name an adapter: resloratool fold ADAPTER --into BASE")
      }
      if merge.settings.calibration.calibration != nil,
        [adapter].compactMap({ $0 }).count + fold.more.count > 1
      {
        throw ValidationError(
          "--calibration is what one adapter's model saw: merge the adapters first, each with its own"
        )
      }
      if plan.isPlanned, fold.undo != nil || target.isDryRun {
        throw ValidationError(
          "a plan is made and nothing folded here: leave out --undo and --dry-run")
      }
    }
  }

  /// Whether anything is asked that decides the result, beside paths.
  private var statesSettings: Bool {
    let isMerging =
      merge.method != nil || merge.settings.compat != .standard || merge.settings.truncation != nil
      || merge.settings.calibration.calibration != nil || source.areGiven
    return isMerging || fold.statesSettings || target.dtype != nil || nonFinite.isAllowed
  }

  func run() throws {
    let start = ContinuousClock.now
    if let path = fold.undoFrom { return try takeBack(path, start) }
    let request = try request()
    // Before a fit that may take minutes.
    if plan.isPlanned, request.calibration != nil { throw FoldJobError.calibratedPlan }
    try checkPaths(request)
    // A fold in place that was interrupted is gone on with; its undo file is complete.
    let isResumed = try fold.isInPlace && FoldJob.isPending(inPlace: request.base)
    if !isResumed { try FoldJob.checkNotPending([request.base]) }
    try checkPage(request, isResumed: isResumed)
    let job = try open { try FoldJob(request, on: $0) }
    try OutputOptions.check(request.output, against: job.adapters.flatMap(\.files))
    if fold.isInPlace { try job.checkInPlace() } else { try job.checkOutput() }
    if let undo = fold.undo { try job.checkUndo(undo, inPlace: fold.isInPlace, isResumed) }
    common.warn(job.warnings)
    var report = FoldCommandReport(job, threads: common.threadCount, undoPath: fold.undo)
    report.pagePath = page.path
    report.isInPlace = fold.isInPlace
    report.isResumed = isResumed
    if plan.isPlanned {
      guard let written = try self.plan(job, plan) else { return }
      report.plan = written
      return try report.show(page, common, since: start)
    }
    if target.isDryRun {
      // The report has what is to be known.
    } else if fold.isInPlace {
      return try runInPlace(job, isResumed: isResumed, report, start)
    } else {
      report.result = try withProgress {
        try job.run(undo: fold.undo, on: foldMachine, progress: $0)
      }
    }
    try report.show(page, common, since: start)
  }

  /// The page is none of the paths a fold has to do with; a fold in place that was interrupted may
  /// have written it.
  func checkPage(_ request: FoldRequest, isResumed: Bool = false) throws {
    if let path = page.path, Paths.isInside(path, request.base) {
      throw FileError.insideInput(path: path, input: request.base)
    }
    let stated = [request.stated.windows, request.stated.topology, fold.undo]
    try page.check(
      output: request.output,
      against: request.adapters.map(\.path) + [request.base, request.calibration?.path] + stated,
      replacing: request.replacing || isResumed)
  }

  /// Nothing that is written may be an input, or lie in the base's folder or the output.
  private func checkPaths(_ request: FoldRequest) throws {
    let inputs =
      request.adapters.map(\.path)
      + [source.windows, source.topology, merge.settings.calibration.calibration]
    if !fold.isInPlace {
      try OutputOptions.check(request.output, against: inputs + [request.base])
      if try Paths.kind(of: request.base) == .folder,
        Paths.isInside(request.output, request.base)
      {
        throw FileError.insideInput(path: request.output, input: request.base)
      }
    }
    if let path = fold.undo {
      if fold.isInPlace {
        try OutputOptions.check(path, against: inputs + [request.base])
      } else {
        try OutputOptions.check(path, besides: request.output, against: inputs + [request.base])
      }
    }
    try plan.check(output: request.output, against: inputs + [request.base])
  }

  /// Opens a job, with a progress bar over what a merge reads of the base.
  func open(_ body: (FoldMachine) throws -> FoldJob) throws -> FoldJob {
    let bars = MergeBars(common)
    defer { bars.finish() }
    var machine = foldMachine
    machine.mergeProgress = { try bars.reading.update($0, of: $1) }
    machine.fitProgress = { try bars.fitting.update($0, of: $1) }
    return try body(machine)
  }

  func withProgress<Result>(
    _ body: (@escaping @Sendable (FoldProgress) throws -> Void) throws -> Result
  ) throws -> Result {
    let bar = ProgressBar("folding", isQuiet: common.quiet)
    defer { bar.finish() }
    return try body { try bar.update($0.bytesDone, of: $0.bytesTotal) }
  }

  private func request() throws -> FoldRequest {
    guard let into else { preconditionFailure("validated") }
    var request = FoldRequest(
      adapters: try fold.adapters(first: adapter), base: into, output: try outputPath(into))
    request.scale = fold.scale
    request.method = merge.method
    request.profile = merge.settings.compat
    request.truncation = merge.settings.truncation
    request.calibration = merge.settings.calibration.choice
    request.stated = source.requested
    request.dtype = target.dtype?.dtype
    request.rounding = fold.foldRounding
    request.allowsUnmatched = fold.allowsUnmatched
    request.allowsNonFinite = nonFinite.isAllowed
    request.verification = fold.verify
    request.maximumShardBytes = fold.maxShardSize?.bytes
    // In place the header stays as it is.
    request.recordsProvenance = !fold.omitsProvenance && !fold.isInPlace
    request.replacing = target.force
    // Tasks of a plan may be run from another folder.
    return plan.isPlanned ? request.absolute : request
  }

  private func outputPath(_ into: String) throws -> String {
    if fold.isInPlace { return into }
    if let path = output.path { return path }
    let stem = try DefaultName.stem(of: into) + "-folded"
    let isFolder = try Paths.kind(of: into) == .folder || fold.maxShardSize != nil
    return isFolder ? stem : stem + ".safetensors"
  }
}
