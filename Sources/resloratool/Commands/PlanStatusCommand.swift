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
    func look() throws -> PlanStatus {
      // In this order: what ended in between has noted how.
      let queued = try slurm?.queued()
      return try PlanStatus(plan, job, queued: queued)
    }
    var status = try look()
    var resubmitted: [Int] = []
    if retry, !status.missing.isEmpty {
      resubmitted = try slurm?.submit(status.missing) ?? []
      status = try look()
    }
    if follow { try wait(while: &status, look) }
    let report = PlanStatusReport(plan, status, resubmitted: resubmitted)
    try common.print(report.json, report.text)
    if status.isStuck { throw ExitCode(ExitStatus.checkFailed) }
  }

  /// Looks again and again until nothing is to be waited for.
  private func wait(while status: inout PlanStatus, _ look: () throws -> PlanStatus) throws {
    let bar = ProgressBar("folding", isQuiet: common.quiet)
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
