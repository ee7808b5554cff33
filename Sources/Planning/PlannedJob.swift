public import ByteIO

/// A job that is cut into tasks: any machine that sees the same files makes the same job of a request,
/// runs any task of it, and writes the bytes of a run on one machine (Plans §1).
public protocol PlannedJob<Machine>: Sendable {
  /// What a task may use of the machine it runs on.
  associatedtype Machine: Sendable

  /// What plans of such jobs are called.
  static var kind: String { get }

  /// What was asked for, with absolute paths.
  var requestJSON: JSONValue { get }
  /// What it reads, as it was when the job was opened.
  var inputs: JSONValue { get }
  /// A number that two jobs have in common only where they write the same bytes from the same files.
  var fingerprint: String { get }
  /// Where the output goes.
  var output: String { get }
  /// The tasks by their numbers: stage after stage, the end last.
  var tasks: [PlannedTask] { get }

  /// What of the inputs is not what it was when `inputs` was; nil where all is.
  func change(since inputs: JSONValue) -> String?

  /// Which tasks have left their results; all of them where the output has its name, by this plan.
  ///
  /// - Throws: `PlanError.foreignOutput`; errors of reading.
  func finishedTasks(of plan: String) throws -> [Bool]

  /// Runs one task: it leaves its result whole or not at all, and does nothing where that is there.
  ///
  /// - Parameters:
  ///   - plan: the folder of the plan, which others are told that hold the output's place.
  ///   - progress: called with bytes done and all bytes; an error it throws stops the task.
  /// - Returns: whether there was anything to do.
  /// - Throws: `PlanError.noTask`, `PlanError.missingTasks`, `PlanError.held`; errors of the work.
  func run(
    task number: Int, of plan: String, on machine: Machine,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void
  ) throws -> Bool
}
