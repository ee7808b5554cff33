public import Tensors

/// Why a fold of files can't be done as asked.
public enum FoldJobError: DiagnosableError, Equatable {
  /// A merge is asked for, and the adapter is of a kind that has no links.
  case nothingToMerge(adapter: String, kinds: [String])

  /// What was asked for.
  public var failureKind: FailureKind {
    switch self {
    case .nothingToMerge: .usage
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .nothingToMerge(let adapter, let kinds):
      "\(adapter.escapedForTerminal): \(kinds.joined(separator: ", ")) has no links to merge and no "
        + "rank to cut; leave out --method, --rank, --energy and what is stated of links"
    }
  }
}
