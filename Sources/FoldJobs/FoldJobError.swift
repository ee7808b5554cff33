public import Tensors

/// Why a fold of files can't be done as asked.
public enum FoldJobError: DiagnosableError, Equatable {
  /// A merge is asked for, and the adapter is of a kind that has no links.
  case nothingToMerge(adapter: String, kinds: [String])
  /// A plan of a fold that is fitted on captured inputs.
  case calibratedPlan
  /// An undo file is asked for, and the fold can't be taken back to the byte.
  case noUndo(String)
  /// A fold in place that was interrupted is gone on with, and its undo file is not there.
  case noUndoAnyMore(path: String)
  /// A fold in place, and an undo file that may be the one of the same fold.
  case undoExists(path: String)
  /// The fold can't be done in place.
  case notInPlace(String)

  /// What was asked for.
  public var failureKind: FailureKind {
    switch self {
    case .nothingToMerge, .calibratedPlan, .noUndo, .notInPlace, .noUndoAnyMore, .undoExists:
      .usage
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .nothingToMerge(let adapter, let kinds):
      "\(adapter.escapedForTerminal): \(kinds.joined(separator: ", ")) has no links to merge and no "
        + "rank to cut; leave out --method, --rank, --energy, --calibration and what is stated of links"
    case .calibratedPlan:
      "a plan does not go with --calibration: every task would fit anew, on other processors not to "
        + "the same bits; merge first, then fold what that gives: resloratool merge … --calibration"
    case .noUndo(let why):
      "no undo file can be written: \(why); leave --undo out"
    case .noUndoAnyMore(let path):
      "\(path.escapedForTerminal): is not there, and the base is half folded, so that it can't be "
        + "written any more; leave --undo out to finish the fold"
    case .undoExists(let path):
      "\(path.escapedForTerminal): exists already; was this fold done before? In place, a second one "
        + "adds the adapter again. If that is meant, name another undo file"
    case .notInPlace(let why):
      "can't fold in place: \(why); name another output with -o"
    }
  }
}
