public import Tensors

/// Why tasks can't be given to Slurm.
public enum SlurmError: DiagnosableError, Equatable {
  /// One of Slurm's commands is not there.
  case notFound(command: String)
  /// One of Slurm's commands failed.
  case failed(command: String, message: String)
  /// A path that can't be written as the pattern of a log's name.
  case path(String)
  /// The plan was never given to Slurm.
  case notSubmitted(plan: String)

  /// Slurm is a resource.
  public var failureKind: FailureKind {
    switch self {
    case .notFound, .failed: .resource
    case .notSubmitted, .path: .usage
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .notFound(let command):
      "\(command): not found; run this where Slurm's commands are, or the tasks another way: "
        + "'resloratool plan run --help'"
    case .failed(let command, let message):
      "\(command) failed: \(message.escapedForTerminal)"
    case .path(let path):
      "\(path.escapedForTerminal): Slurm takes no backslash or control character in the path of a log; "
        + "name another plan with --plan-out"
    case .notSubmitted(let plan):
      "\(plan.escapedForTerminal): was not given to Slurm; run its tasks with 'resloratool plan run'"
    }
  }
}
