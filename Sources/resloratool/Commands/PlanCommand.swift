import ArgumentParser
import ByteIO
import FoldJobs
import HDF5
import Planning
import Tensors

/// `plan`: tasks of a plan, and how far it is.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Run tasks of a plan, or see how far it is.",
    discussion: """
      'fold … --plan-out DIR' writes a plan. Any machine that sees the same files can run any of its \
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

  /// Opens the job of a plan, with a progress bar over what a merge reads of the base.
  func openJob(of plan: Plan) throws -> FoldJob {
    let bars = MergeBars(common)
    defer { bars.finish() }
    var machine = foldMachine
    machine.mergeProgress = { try bars.reading.update($0, of: $1) }
    machine.fitProgress = { try bars.fitting.update($0, of: $1) }
    guard plan.kind == FoldJob.kind else {
      throw PlanError.notAPlan(
        path: plan.path, problem: "of an unknown kind, '\(plan.kind.escapedForTerminal)'")
    }
    let job = try FoldJob(plan, on: machine)
    return job
  }
}
