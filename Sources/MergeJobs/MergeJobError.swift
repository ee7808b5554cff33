public import Tensors

/// Why a merge of files can't be done in tasks.
public enum MergeJobError: DiagnosableError, Equatable {
  /// A method that is no work for many machines.
  case notPlanned(method: String)
  /// A format that there is not.
  case unknownFormat(found: String, expected: [String])
  /// A result that is not what its task wrote.
  case damaged(path: String, task: Int)

  /// What was asked for is usage; what files hold is bad data.
  public var failureKind: FailureKind {
    switch self {
    case .notPlanned, .unknownFormat: .usage
    case .damaged: .badData
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
    case .damaged(let path, let task):
      "\(path.escapedForTerminal): not what task \(task) wrote into it; it was removed, run task "
        + "\(task) again"
    }
  }
}
