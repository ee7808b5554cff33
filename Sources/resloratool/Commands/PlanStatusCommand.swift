import ArgumentParser
import ByteIO
import FoldJobs
import Planning
import Tensors

/// `plan status`: how far a plan is, and what failed again.
struct PlanStatusCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "See how far a plan is; give the cluster again what failed.",
    discussion: """
      Exit status 1 tells of tasks that failed or were lost, and of tasks that wait while the cluster \
      has none of them.
      """)

  @OptionGroup var plan: PlanPathArgument

  @Flag(help: "Show a progress bar until the output is there, or nothing runs any more.")
  var follow = false

  @Flag(help: "Give Slurm again what failed, was lost or never reached it.")
  var retry = false

  @OptionGroup var common: CommonOptions

  func run() throws {
    let plan = try Plan(path: plan.path)
    try tell(plan, openJob(of: plan))
  }

  private func tell(_ plan: Plan, _ job: some PlannedJob) throws {
    var slurm = try SlurmRun.isSubmitted(plan) || retry ? SlurmRun(of: plan) : nil
    let queue = SlurmQueue(common)
    func look() throws -> PlanStatus {
      // In this order: what ended in between has noted how.
      let queued = queue.tasks(of: slurm)
      return try PlanStatus(plan, job, queued: queued)
    }
    var status = try look()
    var resubmitted: [Int] = []
    if retry, !status.missing.isEmpty {
      resubmitted = try slurm?.submit(status.missing) ?? []
      queue.forget()
      status = try look()
    }
    if follow { try wait(while: &status, look) }
    let report = PlanStatusReport(plan, status, resubmitted: resubmitted)
    try common.print(report.json, report.text)
    if status.isStuck { throw ExitCode(ExitStatus.checkFailed) }
  }

  /// Looks again and again until nothing is to be waited for.
  private func wait(while status: inout PlanStatus, _ look: () throws -> PlanStatus) throws {
    let bar = ProgressBar("done", isQuiet: common.quiet)
    defer { bar.finish() }
    while !status.isFinished, !status.isStuck {
      try bar.update(status.bytesDone, of: status.bytesTotal)
      // A second, in steps that an interruption ends.
      for _ in 0..<10 {
        try Interruption.check()
        Pause.milliseconds(100)
      }
      status = try look()
    }
  }
}

/// What Slurm has, asked for now and then: sites dislike to be asked every second.
private final class SlurmQueue {
  private static let interval = Duration.seconds(15)

  private let common: CommonOptions
  private var known: (tasks: Set<Int>?, at: ContinuousClock.Instant)?
  private var hasWarned = false

  init(_ common: CommonOptions) { self.common = common }

  /// Has the next question asked.
  func forget() { known = nil }

  /// The tasks that Slurm has, a while ago at most; nil where there are none, or it does not answer.
  func tasks(of slurm: SlurmRun?) -> Set<Int>? {
    guard let slurm else { return nil }
    let now = ContinuousClock.now
    if let known, now - known.at < SlurmQueue.interval { return known.tasks }
    var tasks: Set<Int>?
    do {
      tasks = try slurm.queued()
    } catch {
      if !hasWarned {
        common.warn(["\(error): what Slurm still has is not known; this goes by the tasks' notes"])
      }
      hasWarned = true
    }
    known = (tasks, now)
    return tasks
  }
}
