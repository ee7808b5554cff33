import Adapters
import ArgumentParser
import ByteIO
import FoldJobs
import Folding
import Merging
import Tensors

/// `fold`: adapters into base weights.
struct FoldCommand: ParsableCommand {
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
  var into: String

  @OptionGroup var fold: FoldOptions
  @OptionGroup var merge: MergeOptions
  @OptionGroup var source: AdapterOptions
  @OptionGroup var output: OutputPathOption
  @OptionGroup var target: OutputOptions
  @OptionGroup var nonFinite: NonFiniteOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let start = ContinuousClock.now
    let request = try request()
    let inputs = request.adapters.map(\.path) + [into, source.windows, source.topology]
    try target.check(request.output, against: inputs)

    let reading = ProgressBar("reading the base", isQuiet: common.quiet)
    var machine = FoldMachine(threads: common.threadCount, hdf5: .isolated)
    machine.mergeProgress = { try reading.update($0, of: $1) }
    let job = try FoldJob(request, on: machine)
    reading.finish()
    try target.check(request.output, against: job.adapters.flatMap(\.files))
    try job.checkOutput()
    common.warn(job.base.warnings + job.adapters.flatMap(\.warnings))

    var report = FoldCommandReport(job, threads: common.threadCount)
    if target.isDryRun {
      try job.checkSpace()
    } else {
      let bar = ProgressBar("folding", isQuiet: common.quiet)
      defer { bar.finish() }
      report.result = try job.run(on: machine) {
        try bar.update($0.bytesDone, of: $0.bytesTotal)
      }
    }
    report.seconds = (ContinuousClock.now - start) / .seconds(1)
    common.warn(report.warnings)
    try common.print(report.json, report.text)
  }

  private func request() throws -> FoldRequest {
    let adapters = try fold.adapters(first: adapter)
    var request = FoldRequest(adapters: adapters, base: into, output: try outputPath())
    request.scale = fold.scale
    request.method = merge.method
    request.profile = merge.compat
    request.truncation = merge.truncation
    request.stated = source.requested
    request.dtype = target.dtype?.dtype
    request.rounding = try fold.foldRounding()
    request.allowsUnmatched = fold.allowsUnmatched
    request.allowsNonFinite = nonFinite.isAllowed
    request.verification = fold.verify
    request.maximumShardBytes = fold.maxShardSize?.bytes
    request.recordsProvenance = !fold.omitsProvenance
    request.replacing = target.force
    return request
  }

  private func outputPath() throws -> String {
    if let path = output.path { return path }
    let stem = try DefaultName.stem(of: into) + "-folded"
    let isFolder = try Paths.kind(of: into) == .folder || fold.maxShardSize != nil
    return isFolder ? stem : stem + ".safetensors"
  }
}
