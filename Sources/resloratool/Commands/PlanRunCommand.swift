public import ArgumentParser
import ByteIO
import FoldJobs
import MergeJobs
import Merging
public import Planning
import Reports
import Tensors

/// `plan run`: tasks of a plan, here and now.
struct PlanRunCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run tasks of a plan.",
    discussion: """
      With '--task auto' the engine that starts the process says which: SLURM_ARRAY_TASK_ID and \
      JOB_COMPLETION_INDEX are a task's number; with OMPI_COMM_WORLD_RANK and SLURM_PROCID all \
      processes share the tasks of the stage. A task that is done already does nothing.
      """)

  /// One by its number, or what the engine says.
  enum TaskNumber: ExpressibleByArgument {
    case auto
    case number(Int)

    init?(argument: String) {
      if argument == "auto" {
        self = .auto
      } else if let number = Int(argument) {
        self = .number(number)
      } else {
        return nil
      }
    }
  }

  @OptionGroup var plan: PlanPathArgument

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The task's number, counted from 0 over the whole plan, or with --stage from its first.",
      valueName: "n|auto"))
  var task: TaskNumber?

  @Option(
    help: ArgumentHelp(
      "One stage of the plan: \(PlannedTask.Stage.names).", valueName: "stage"))
  var stage: PlannedTask.Stage?

  @Option(
    name: .customLong("tasks-per-job"),
    help: ArgumentHelp(
      "With a number K, run the n tasks from K·n on (default: 1).", valueName: "n"))
  var tasksPerJob: Int?

  @OptionGroup var page: ReportOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if task == nil, stage?.isOne != true {
      throw ValidationError("name the task: --task N or --task auto, or --stage finish")
    }
    if let tasksPerJob, !(1...1_000_000).contains(tasksPerJob) {
      throw ValidationError("--tasks-per-job must be 1 or more, and 1000000 at most")
    }
    if page.path != nil, stage != .finish {
      throw ValidationError("--html writes about the whole: it goes with --stage finish")
    }
  }

  func run() throws {
    let start = ContinuousClock.now
    let plan = try Plan(path: plan.path)
    let numbers = try chosen(of: plan)
    let job = try openJob(of: plan)
    if stage != .finish {
      try run(numbers, of: plan, job)
    } else if let job = job as? FoldJob {
      try finish(plan, job, start)
    } else if let job = job as? MergeJob {
      try finish(plan, job)
    }
  }

  private func run(
    _ numbers: [Int], of plan: Plan, _ job: some PlannedJob<FoldMachine>
  ) throws {
    let run = try TaskRun(plan, job)
    var failures: [any DiagnosableError] = []
    var results: [(task: Int, isNew: Bool)] = []
    for number in numbers {
      let bar = ProgressBar("task \(number)", isQuiet: common.quiet)
      defer { bar.finish() }
      do {
        results.append((number, try run(number, on: foldMachine) { try bar.update($0, of: $1) }))
      } catch let error as any DiagnosableError {
        // The next one may do; the job as a whole has failed.
        bar.finish()
        StandardError.write("error: task \(number): \(error.description)\n")
        failures.append(error)
      }
    }
    try print(results)
    if let error = failures.first { throw ExitCode(ExitStatus.of(error.failureKind)) }
  }

  /// The tasks to run.
  private func chosen(of plan: Plan) throws(PlanError) -> [Int] {
    var numbers = plan.tasks.indices
    if let stage {
      numbers = plan.tasks.numbers(of: stage)
      guard !numbers.isEmpty else {
        throw .noStage(found: stage, stages: plan.tasks.stages)
      }
    }
    let choice: TaskChoice =
      switch task {
      case .auto: try .fromEnvironment()
      case .number(let number): .one(number: number)
      case nil: .one(number: 0)
      }
    if case .share = choice, tasksPerJob != nil { throw .sharedTasks }
    return try choice.tasks(of: numbers, several: tasksPerJob ?? 1)
  }

  private func print(_ results: [(task: Int, isNew: Bool)]) throws {
    let json = JSONValue.members([
      "tasks": .array(
        results.map {
          .members(["task": .integer($0.task), "was_done_before": .bool(!$0.isNew)])
        })
    ])
    let text = results.map { "task \($0.task): \($0.isNew ? "done" : "was done before")\n" }
    try common.print(json, text.joined())
  }

  /// The last task of a fold, and what all of them did.
  private func finish(_ plan: Plan, _ job: FoldJob, _ start: ContinuousClock.Instant) throws {
    try checkPage(
      plan, job.request.adapters.map(\.path) + [job.request.base],
      replacing: job.request.replacing)
    let number = plan.tasks.count - 1
    let result = try TaskRun(plan, job).noting(number) { _ in try job.finish(of: plan.path) }
    guard let result else { return try print([(number, false)]) }
    var report = FoldCommandReport(job, threads: common.threadCount, undoPath: nil)
    report.pagePath = page.path
    report.result = result
    try report.show(page, common, since: start)
  }

  /// The last task of a merge, and what all of them did.
  private func finish(_ plan: Plan, _ job: MergeJob) throws {
    let request = job.request
    try checkPage(
      plan, [request.adapter, request.base, request.calibration.path],
      replacing: request.replacing)
    let number = plan.tasks.count - 1
    let result = try TaskRun(plan, job).noting(number) { note in
      try job.finish(of: plan.path, on: foldMachine) { note($0, $1) }
    }
    guard let result else { return try print([(number, false)]) }
    var report = MergeReport(
      job.adapter, result.merge, output: job.output, byteCount: result.byteCount, isDryRun: false)
    report.warnings = job.warnings + result.merge.warnings
    report.pagePath = page.path
    common.warn(report.warnings)
    try page.write(replacing: request.replacing, json: report.json, report.page.html)
    try common.print(
      report.json, AdapterSummary.text(request.adapter, job.adapter) + report.text)
  }

  private func checkPage(_ plan: Plan, _ inputs: [String?], replacing: Bool) throws {
    try page.check(output: plan.output, against: inputs + [plan.path], replacing: replacing)
  }
}

extension PlannedTask.Stage: ExpressibleByArgument {
  fileprivate static let names = allCases.map(\.rawValue).joined(separator: ", ")
}
