import ArgumentParser
import ByteIO
import FoldJobs
import HDF5
import MergeJobs
import Planning
import Tensors

/// `plan`: tasks of a plan, and how far it is.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Run tasks of a plan, or see how far it is.",
    discussion: """
      'fold … --plan-out DIR' writes a plan, and so does 'merge … --method calibrated'. Any machine that sees the same files can run any of its \
      tasks; the output is that of one run, and appears when the last task has run.
      """,
    subcommands: [PlanRunCommand.self, PlanStatusCommand.self])
}

/// What is asked of every command that goes by a plan.
struct PlanPathArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The plan: a folder.", valueName: "plan"))
  var path: String
}

extension ReadingCommand {
  /// What a fold may use of this machine.
  var foldMachine: FoldMachine { FoldMachine(threads: common.threadCount, hdf5: .isolated) }

  /// Opens the job of a plan, with progress bars over what it reads for that.
  func openJob(of plan: Plan) throws -> any PlannedJob<FoldMachine> {
    let bars = MergeBars(common)
    defer { bars.finish() }
    var machine = foldMachine
    machine.mergeProgress = { try bars.reading.update($0, of: $1) }
    machine.fitProgress = { try bars.fitting.update($0, of: $1) }
    switch plan.kind {
    case FoldJob.kind:
      let job = try FoldJob(plan, on: machine)
      try FoldJob.checkNotPending([job.request.base])
      return job
    case MergeJob.kind:
      let job = try MergeJob(plan, on: machine)
      try FoldJob.checkNotPending([job.request.base].compactMap { $0 })
      return job
    default:
      throw PlanError.notAPlan(
        path: plan.path, problem: "of an unknown kind, '\(plan.kind.escapedForTerminal)'")
    }
  }
}
