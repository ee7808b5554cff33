public import Tensors

/// Why a merge of files can't be done in tasks.
public enum MergeJobError: DiagnosableError, Equatable {
  /// A method that is no work for many machines.
  case notPlanned(method: String)
  /// A format that there is not.
  case unknownFormat(found: String, expected: [String])
  /// A task of a number that the job does not have.
  case noTask(found: Int, count: Int)
  /// Tasks that have not run, and one that needs them.
  case missingTasks([Int], for: Int)
  /// A result that is not what its task wrote.
  case damaged(path: String, task: Int)
  /// What the job reads is no longer what it was.
  case changedSince(what: String)

  /// What was asked for is usage; what files hold is bad data.
  public var failureKind: FailureKind {
    switch self {
    case .notPlanned, .unknownFormat, .noTask: .usage
    case .damaged, .changedSince: .badData
    case .missingTasks: .checkFailed
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .notPlanned(let method):
      "a plan of a merge is for method calibrated (found \(method.escapedForTerminal)): no other has "
        + "sums to divide among machines that are worth it; merge without a plan"
    case .unknownFormat(let found, let expected):
      "unknown format of an adapter (found '\(found.escapedForTerminal)', expected one of "
        + "\(expected.joined(separator: ", ")))"
    case .noTask(let found, let count):
      "no task of that number (found \(found), expected 0 to \(count - 1))"
    case .missingTasks(let missing, let task):
      "\(missing.count == 1 ? "task" : "tasks") \(missing.listed { "\($0)" }) must run before task "
        + "\(task)"
    case .damaged(let path, let task):
      "\(path.escapedForTerminal): not what task \(task) wrote into it; it was removed, run task "
        + "\(task) again"
    case .changedSince(let what):
      "\(what) changed since the plan was made; make it again"
    }
  }
}
