package import ByteIO
internal import Synchronization
internal import Tensors

/// What makes overwriting a base safe: the original bytes of what is being overwritten, saved
/// beside it until all of it is on the disk (In place).
///
/// Work goes in groups of spans. `begin` saves the originals of a group and flushes them; then the
/// caller overwrites those spans, and nothing else; `end` flushes the base and records that the
/// group is done. After a crash or power cut at any point, opening the journal again puts the
/// originals of an unfinished group back and says which group to go on with. The journal takes the
/// space of one group on the disk, and 4 MiB of memory for each thread.
package final class InPlaceJournal: Sendable {
  private struct State {
    var groupsDone: Int
    /// The spans of the group that is being overwritten.
    var begun: JournalRecord?
    var isFinished = false
  }

  /// The journal's path.
  package var path: String { file.path }
  /// The group to begin with: 0 for a new fold, the first unfinished one for one that goes on.
  package let firstGroup: Int
  /// What the caller of the first run gave to be kept.
  package var state: [UInt8] { head.state }

  private let head: JournalHead
  private let store: JournalStore
  private let files: [InPlaceFile]
  private let threads: Int
  private let progress: Mutex<State>

  private var file: UpdatableFile { store.file }

  /// Begins a fold in place, or goes on with the one that was interrupted: originals of a group
  /// that was begun and not ended are put back first.
  ///
  /// - Parameters:
  ///   - base: the path of the base, a file or a folder.
  ///   - files: its files, open and locked, in an order that follows from the base.
  ///   - fingerprint: of the plan: base, adapter, options, products, groups. The same for every run
  ///     that may go on with another's work; it must not depend on weights that the fold changes.
  ///   - command: what the user has to run to finish the fold, for messages.
  ///   - state: bytes the caller needs to go on and can't get from a half-folded base, such as
  ///     factors of a merge that looks at the base.
  /// - Throws: `InPlaceError`; `FileError.inUse` where another run has the journal, `SystemError`.
  package init(
    base: String, files: [InPlaceFile], fingerprint: SHA256Digest, groups: Int, command: String,
    state: [UInt8] = [], threads: Int = 1
  ) throws {
    let path = InPlaceJournal.path(for: base)
    let wanted = JournalHead(
      fingerprint: fingerprint, groupCount: groups, command: command, state: state,
      files: files.map { .init(name: Paths.name(of: $0.path), size: $0.size, inode: $0.file.inode) }
    )
    if try Paths.kind(of: path) == .absent { try JournalStore.create(wanted, at: path) }
    store = try JournalStore(path: path)
    head = store.head
    try InPlaceJournal.check(store.head, wanted, base: base, journal: path, files)
    try store.file.takeMode(of: files[0].file)
    let found = try store.progress()
    if let record = try store.unfinished(found, threads: threads) {
      try store.restore(record, to: files, threads: threads)
    }
    firstGroup = found.groupsDone
    self.files = files
    self.threads = threads
    progress = Mutex(State(groupsDone: found.groupsDone))
  }

  deinit {
    // Nothing was overwritten: the base is as it was.
    let isUntouched = progress.withLock { !$0.isFinished && $0.groupsDone == 0 && $0.begun == nil }
    if isUntouched { try? file.remove() }
  }

  private static func check(
    _ found: JournalHead, _ wanted: JournalHead, base: String, journal: String,
    _ files: [InPlaceFile]
  ) throws(InPlaceError) {
    guard found.fingerprint == wanted.fingerprint, found.groupCount == wanted.groupCount,
      found.files.count == wanted.files.count
    else { throw .otherFold(path: base, journal: journal, command: found.command) }
    for (position, file) in files.enumerated()
    where found.files[position] != wanted.files[position] {
      throw .replaced(path: file.path, journal: journal)
    }
  }

  // MARK: Groups

  /// Saves the originals of the spans that the group will overwrite, and flushes them.
  ///
  /// Groups are begun in order, each when the one before it has ended; spans of a group do not
  /// overlap and have at most 64 MiB together.
  ///
  /// - Throws: errors of reading and writing; the base has not changed then.
  package func begin(_ group: Int, _ spans: [InPlaceSpan]) throws {
    let (done, begun) = progress.withLock { ($0.groupsDone, $0.begun) }
    precondition(begun == nil && group == done && group < head.groupCount, "groups in order")
    precondition(
      spans.count <= JournalRecord.maximumSpans
        && spans.reduce(0) { $0 + $1.count } <= JournalRecord.maximumBytes, "a group too large")
    let record = try store.save(spans, of: group, from: files, threads: threads)
    progress.withLock { $0.begun = record }
  }

  /// Flushes the files that the group has changed and records that it is done.
  ///
  /// - Throws: errors of writing; the group is then done anew by the next run.
  package func end(_ group: Int) throws {
    let begun = progress.withLock { $0.begun }
    guard let begun, begun.group == group else { preconditionFailure("a group that was begun") }
    try store.synchronize(files, begun.spans)
    try store.mark(.init(done: group + 1))
    progress.withLock {
      $0.groupsDone = group + 1
      $0.begun = nil
    }
  }

  /// Puts the originals of a group that was begun back, for a run that stops on its own; where no
  /// group was done before, the base is then as it was and the journal goes.
  package func cancel() throws {
    guard let begun = progress.withLock({ $0.begun }) else { return }
    try store.restore(begun, to: files, threads: threads)
    progress.withLock { $0.begun = nil }
  }

  /// Removes the journal of a fold whose groups have all ended.
  package func finish() throws {
    precondition(progress.withLock { $0.groupsDone == head.groupCount && $0.begun == nil })
    try file.remove()
    progress.withLock { $0.isFinished = true }
  }
}
