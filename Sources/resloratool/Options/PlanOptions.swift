import ArgumentParser
import ByteIO

/// How a fold is cut into tasks that run apart.
struct PlanOptions: ParsableArguments {
  @Option(
    name: .customLong("plan-out"),
    help: ArgumentHelp("Write the plan and fold nothing.", valueName: "file"))
  var out: String?

  @Option(help: ArgumentHelp("Go by a plan: with --task or --finish.", valueName: "file"))
  var plan: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Run one task of the plan, by its number.", valueName: "n"))
  var task: Int?

  @Flag(help: "Check that all tasks of the plan are done, and give the output its name.")
  var finish = false

  func validate() throws {
    if plan == nil, task != nil || finish {
      throw ValidationError("--task and --finish go with --plan FILE")
    }
    if plan != nil, (task == nil) != finish {
      throw ValidationError("--plan FILE goes with either --task N or --finish")
    }
    if plan != nil, out != nil { throw ValidationError("--plan and --plan-out exclude each other") }
  }
}
