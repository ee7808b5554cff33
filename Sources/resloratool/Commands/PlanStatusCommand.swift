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
    let job = try openJob(of: plan)
    var slurm = try SlurmRun.isSubmitted(plan) || retry ? SlurmRun(of: plan) : nil
    var report = try PlanStatusReport(plan, PlanStatus(plan, job), queued: slurm?.queued())
    if retry {
      let missing = report.missing
      if !missing.isEmpty {
        try slurm?.submit(missing)
        report = try PlanStatusReport(plan, PlanStatus(plan, job), queued: slurm?.queued())
        report.resubmitted = missing
      }
    }
    if follow { report = try following(plan, job, slurm, report) }
    try common.print(report.json, report.text)
    if !report.missing.isEmpty, report.isStuck { throw ExitCode(ExitStatus.checkFailed) }
  }

  /// Looks again and again until nothing is to be waited for.
  private func following(
    _ plan: Plan, _ job: FoldJob, _ slurm: SlurmRun?, _ first: PlanStatusReport
  ) throws -> PlanStatusReport {
    let bar = ProgressBar("folding", isQuiet: common.quiet)
    defer { bar.finish() }
    var report = first
    while !report.status.isFinished, !report.isStuck {
      try bar.update(report.status.bytesDone, of: report.status.bytesTotal)
      // A second, in steps that an interruption ends.
      for _ in 0..<10 {
        try Interruption.check()
        Pause.milliseconds(100)
      }
      report = try PlanStatusReport(plan, PlanStatus(plan, job), queued: slurm?.queued())
      report.resubmitted = first.resubmitted
    }
    return report
  }
}
