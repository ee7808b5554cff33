package import ByteIO
internal import Tensors

/// A fold in place that was interrupted.
package struct PendingFold: Sendable, Equatable {
  /// The journal's path.
  package let journal: String
  /// What the plan of the fold was told by.
  package let fingerprint: SHA256Digest
  /// The command that finishes it.
  package let command: String
  /// What the run that began it gave to be kept.
  package let state: [UInt8]
  /// How many groups are done, and of how many.
  package let groupsDone: Int
  package let groupCount: Int
}

extension InPlaceJournal {
  static let suffix = ".fold-journal"

  /// Where the journal of a base lies: beside it, links followed, with `.fold-journal` appended.
  package static func path(for base: String) -> String {
    (Paths.resolved(base) ?? Paths.withoutTrailingSlashes(base)) + suffix
  }

  /// The fold in place of a base that was interrupted; nil where there is none.
  ///
  /// - Throws: `InPlaceError` for a journal that can't be read; `FileError.inUse` while another run
  ///   is at work.
  package static func pending(for base: String) throws -> PendingFold? {
    let path = path(for: base)
    guard try Paths.kind(of: path) != .absent else { return nil }
    let store = try JournalStore(path: path)
    return PendingFold(
      journal: path, fingerprint: store.head.fingerprint, command: store.head.command,
      state: store.head.state, groupsDone: try store.progress().groupsDone,
      groupCount: store.head.groupCount)
  }

  /// Whether what lies at a path is being folded in place, or was and was interrupted: the path
  /// itself, the folder it lies in, or a file in it.
  package static func isPending(besides path: String) throws -> Bool {
    try journal(besides: path) != nil
  }

  /// Throws where what lies at a path must not be used because it holds old and new weights.
  ///
  /// - Throws: `InPlaceError.pending`, which says how to finish the fold; `FileError.inUse` while
  ///   it is going on; as `pending(for:)`.
  package static func check(_ path: String) throws {
    guard let journal = try journal(besides: path) else { return }
    throw InPlaceError.pending(
      path: path, journal: journal, command: try JournalStore(path: journal).head.command)
  }

  private static func journal(besides path: String) throws -> String? {
    let place = Paths.resolved(path) ?? Paths.withoutTrailingSlashes(path)
    for base in [place, Paths.parent(of: place)] {
      if try Paths.kind(of: base + suffix) != .absent { return base + suffix }
    }
    guard try Paths.kind(of: place) == .folder else { return nil }
    // Journals of folders inside are not about this one.
    return try Paths.entries(of: place).filter { $0.hasSuffix(suffix) }
      .map { Paths.join(place, $0) }
      .first { try Paths.kind(of: String($0.dropLast(suffix.count))) != .folder }
  }
}
