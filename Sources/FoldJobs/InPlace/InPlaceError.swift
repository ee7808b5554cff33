internal import ByteIO
public import Tensors

/// Why a fold in place can't begin or go on.
public enum InPlaceError: DiagnosableError, Equatable {
  /// A fold in place of this checkpoint was interrupted; it holds old and new weights.
  case pending(path: String, journal: String, command: String)
  /// The journal belongs to another fold than the one that was asked for.
  case otherFold(path: String, journal: String, command: String)
  /// A file is not the one that the journal is about.
  case replaced(path: String, journal: String)
  /// The journal can't be read.
  case damaged(journal: String, what: String)
  /// A journal of a version that this tool does not know.
  case unknownVersion(journal: String, found: Int)
  /// The file changed after its header was read.
  case changed(path: String)

  /// An unfinished fold is a state of the files, as is all else.
  public var failureKind: FailureKind {
    switch self {
    case .pending, .otherFold, .replaced, .damaged, .unknownVersion, .changed: .badData
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .pending(let path, let journal, let command):
      "\(path.escapedForTerminal): a fold in place was interrupted and left old and new weights "
        + "(journal \(journal.escapedForTerminal)); finish it first: \(command.escapedForTerminal)"
    case .otherFold(let path, let journal, let command):
      "\(path.escapedForTerminal): another fold in place was interrupted here "
        + "(journal \(journal.escapedForTerminal)); finish it first, with the same adapter and "
        + "options: \(command.escapedForTerminal)"
    case .replaced(let path, let journal):
      "\(path.escapedForTerminal): not the file that was being folded in place (its size or "
        + "identity changed); put that one back, or remove the journal "
        + "\(journal.escapedForTerminal) if this is a fresh copy of the base"
    case .damaged(let journal, let what):
      "\(journal.escapedForTerminal): damaged journal of a fold in place: \(what); restore the base "
        + "from a copy and remove the journal"
    case .unknownVersion(let journal, let found):
      "\(journal.escapedForTerminal): journal of another version (found \(found), expected "
        + "\(JournalHead.version)); use a newer resloratool"
    case .changed(let path):
      "\(path.escapedForTerminal): changed while it was opened; is another program writing it?"
    }
  }
}
