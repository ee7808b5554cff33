import ArgumentParser
import ByteIO
import Planning

/// How a job is cut into tasks that run apart, and who runs them.
struct PlanOptions: ParsableArguments {
  /// Who runs a plan's tasks.
  enum Engine: String, ExpressibleByArgument, CaseIterable {
    case slurm
  }

  @Option(
    name: .customLong("plan-out"),
    help: ArgumentHelp("Write the plan, a folder, and do nothing of it here.", valueName: "folder"))
  var out: String?

  @Option(help: "Have a cluster do it: write the plan (OUTPUT.plan) and give it the tasks.")
  var engine: Engine?

  @Flag(
    name: .customLong("engine-dry-run"), help: "Print what the engine would be given, and stop.")
  var isEngineDryRun = false

  @Option(
    name: .customLong("tasks-per-job"),
    help: ArgumentHelp(
      "Tasks that a job of the cluster runs one after the other (default: 1).", valueName: "n"))
  var tasksPerJob: Int?

  @Option(help: ArgumentHelp("The partition of the cluster.", valueName: "name"))
  var partition: String?

  @Option(help: ArgumentHelp("The time limit of a job, as sbatch takes it.", valueName: "limit"))
  var time: String?

  @Option(
    name: .customLong("sbatch-option"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Another option of sbatch; may be repeated: --sbatch-option=--mem=4G.", valueName: "option"))
  var sbatchOptions: [String] = []

  func validate() throws {
    let isSlurm = partition != nil || time != nil || !sbatchOptions.isEmpty || tasksPerJob != nil
    if engine == nil, isSlurm || isEngineDryRun {
      throw ValidationError(
        "--engine-dry-run, --tasks-per-job, --partition, --time and --sbatch-option go with "
          + "--engine slurm")
    }
    if let tasksPerJob, !(1...1_000_000).contains(tasksPerJob) {
      throw ValidationError("--tasks-per-job must be 1 or more, and 1000000 at most")
    }
    for option in sbatchOptions + [partition, time].compactMap({ $0 }) {
      guard !option.isEmpty, !option.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
        throw ValidationError("an option of sbatch must be a word or more, in one line")
      }
    }
    for option in sbatchOptions where !option.hasPrefix("-") {
      throw ValidationError("--sbatch-option takes an option: --sbatch-option=--mem=4G")
    }
  }

  /// Whether a plan is made instead of a fold.
  var isPlanned: Bool { out != nil || engine != nil }

  /// The plan's folder for an output.
  func path(output: String) -> String {
    out ?? Paths.withoutTrailingSlashes(output) + ".plan"
  }

  /// Checks, before any work, that the plan can be written.
  func check(output: String, against inputs: [String?]) throws {
    guard isPlanned else { return }
    let path = path(output: output)
    try OutputOptions.check(path, besides: output, against: inputs)
    try Plan.checkAbsent(path)
    if engine != nil { try SlurmRun.check(path: path) }
  }

  var slurm: SlurmOptions {
    SlurmOptions(
      partition: partition, time: time, others: sbatchOptions, tasksPerJob: tasksPerJob ?? 1)
  }
}
