import ByteIO
import HDF5
import Planning
import Tensors

extension ReadingCommand {
  /// Writes the plan of a job, and gives a cluster its tasks where that is asked for.
  ///
  /// - Returns: what there is to tell; nil where what the cluster would be given is printed instead.
  func plan(_ job: some PlannedJob, _ options: PlanOptions) throws -> PlanReport? {
    let path = options.path(output: job.output)
    func slurm(_ plan: Plan) -> SlurmRun {
      // The tool by the path that other machines know it by, where they see the same files.
      SlurmRun(
        plan, options.slurm, executable: Paths.absolute(HDF5Worker.ownExecutable),
        arguments: (common.threads.map { ["--threads", "\($0)"] } ?? []) + common.limits.arguments)
    }
    if options.isEngineDryRun {
      let preview = slurm(Plan(job, at: path)).preview
      try common.print(.members(["scripts": .string(preview)]), preview)
      return nil
    }
    if options.engine != nil { try SlurmRun.checkCommands() }
    let plan = try Plan.write(job, to: path)
    guard options.engine != nil else { return PlanReport(plan, []) }
    var run = slurm(plan)
    do {
      try run.submit(Array(plan.tasks.indices))
    } catch {
      // Where Slurm refuses the first of all, so that another try finds nothing in the way.
      if !run.hasBegun { run.discard() }
      throw error
    }
    return PlanReport(plan, run.submissions)
  }
}

/// What is told of a plan that was written.
struct PlanReport {
  private let plan: Plan
  private let submissions: [SlurmRun.Submission]

  init(_ plan: Plan, _ submissions: [SlurmRun.Submission]) {
    self.plan = plan
    self.submissions = submissions
  }

  /// Its folder.
  var path: JSONValue { .string(plan.path) }

  /// How many tasks it has.
  var tasks: JSONValue { .integer(plan.tasks.count) }

  /// What a cluster was given; nil where there is none.
  var jobs: JSONValue? {
    submissions.isEmpty
      ? nil
      : .array(
        submissions.map {
          .members(["stage": .string($0.stage.rawValue), "job": .string($0.job)])
        })
  }

  var text: String {
    let path = plan.path.escapedForTerminal
    let word = plan.path.quotedForShell.escapedForTerminal
    var text = "wrote the plan \(path): \(plan.tasks.count) tasks\n"
    if submissions.isEmpty {
      for stage in plan.tasks.stages {
        let count = plan.tasks.numbers(of: stage).count
        text += "  resloratool plan run \(word) --stage \(stage.rawValue)"
        text += stage.isOne ? "\n" : " --task N, N from 0 to \(count - 1)\n"
      }
      return text
    }
    for submission in submissions {
      text += "\(submission.stage.rawValue): Slurm job \(submission.job)\n"
    }
    return text
      + "follow them with 'resloratool plan status \(word) --follow'; logs are in \(path)/logs\n"
  }
}

extension PlannedTask.Stage {
  /// Whether every plan has one task of it at most.
  var isOne: Bool { self == .combine || self == .finish }
}
