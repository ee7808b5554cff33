internal import ByteIO
public import Folding
internal import Safetensors
internal import Tensors

/// Folding into the base itself (In place §1): first a rehearsal, which decides whether the fold may
/// be done and writes the undo file, then group after group under a journal.
extension FoldJob {
  /// The most bytes of a group.
  private static let groupBytes = 32 << 20

  /// Whether a fold of this base in place was interrupted, so that this job has to go on with it.
  ///
  /// - Throws: `InPlaceError` where another fold was.
  public static func isPending(inPlace base: String) throws -> Bool {
    try InPlaceJournal.pending(for: base) != nil
  }

  /// Refuses paths that are half folded, or lie in a folder that is: a command that reads them calls
  /// this first.
  ///
  /// - Throws: `InPlaceError.pending`.
  public static func checkNotPending(_ paths: [String]) throws {
    for path in paths { try InPlaceJournal.check(path) }
  }

  /// Overwrites the base's weights; safe against a crash at any point: the same job run again goes
  /// on where it stopped.
  ///
  /// - Parameters:
  ///   - undo: where to write an undo file before anything is overwritten; nil for none.
  ///   - command: what the user has to run to go on, for messages.
  ///   - report: told of the result before the journal goes, so that a run that dies before it could
  ///     tell of its success does so when it is run again, instead of folding twice.
  /// - Throws: `FoldJobError.notInPlace`, `InPlaceError`, as `run`.
  public func runInPlace(
    undo: String?, command: String, on machine: FoldMachine,
    progress: @escaping @Sendable (FoldProgress) throws -> Void = { _ in },
    report: (FoldJobResult) throws -> Void
  ) throws {
    try checkInPlace()
    try space(inPlace: true).check()
    let groups = plan.groups(ofAtMost: FoldJob.groupBytes)
    let files = try InPlaceCheckpoint(base.shards)
    let pending = try InPlaceJournal.pending(for: request.base)
    let record =
      try pending.map { try self.record(of: $0) } ?? rehearse(undo, files, on: machine, progress)
    // From here on it is this run that changes the base, and holds its locks.
    for shard in base.shards { shard.file.expectChanges() }
    let journal = try InPlaceJournal(
      base: request.base, files: files.files, fingerprint: inPlaceFingerprint,
      groups: groups.count, command: command,
      state: Array(record.json(of: self, inPlaceFingerprint.hexadecimal).serialized().utf8),
      threads: machine.threads)
    for (adapter, known) in zip(adapters, record.statistics.byAdapter) {
      adapter.deferred?.begin(known)
    }
    let fold = unsafe Fold(
      threads: machine.threads, allowsNonFinite: true, verification: request.verification)
    let total = groups.reduce(0) { $0 + $1.byteCount }
    var done = groups[..<journal.firstGroup].reduce(0) { $0 + $1.byteCount }
    do {
      for (number, group) in groups.enumerated() where number >= journal.firstGroup {
        let before = done
        try journal.begin(
          number,
          group.spans.map { files.span(tensor: $0.tensor, at: $0.offset, count: $0.count) })
        try fold.run(plan, group, into: files) {
          try progress(FoldProgress(bytesDone: before + $0.bytesDone, bytesTotal: total))
        }
        try journal.end(number)
        done += group.byteCount
      }
    } catch {
      try? journal.cancel()
      throw error
    }
    try report(
      FoldJobResult(
        report: record.report, files: base.shards.map(\.label), bytesWritten: total,
        resumedShards: 0))
    try journal.finish()
  }

  /// Bytes of the largest group, of which the journal holds one.
  var journalByteCount: Int {
    plan.groups(ofAtMost: FoldJob.groupBytes).map(\.byteCount).max() ?? 0
  }

  /// What can't be folded in place.
  ///
  /// - Throws: `FoldJobError.notInPlace`.
  public func checkInPlace() throws {
    func refuse(_ why: String) throws { throw FoldJobError.notInPlace(why) }
    if request.dtype != nil { try refuse("the dtype changes") }
    if request.maximumShardBytes != nil { try refuse("shards are cut anew") }
    guard plan.readsOnlyWhatItWrites else {
      return try refuse("DoRA by columns looks at whole weights")
    }
    if journalByteCount > JournalRecord.maximumBytes {
      try refuse("a row of a weight has more than 64 MiB")
    }
    for adapter in adapters where adapter.needsWholeBase {
      try refuse(
        "the merge of \(adapter.path.escapedForTerminal) looks at the base; merge it first")
    }
  }

  /// Does everything but writing: what is not finite or overflows is refused here, figures and
  /// statistics are kept, and the undo file is complete before anything is overwritten.
  private func rehearse(
    _ undo: String?, _ files: InPlaceCheckpoint, on machine: FoldMachine,
    _ progress: @escaping @Sendable (FoldProgress) throws -> Void
  ) throws -> ShardRecord {
    let writer = try undo.map { path in
      try FoldJob.namingRepeats(true, path) { try undoWriter(path, inPlace: true) }
    }
    for adapter in adapters { adapter.deferred?.begin(adapter.nothingKnown) }
    var fold = unsafe Fold(
      threads: machine.threads, allowsNonFinite: request.allowsNonFinite,
      verification: request.verification, change: writer.map(observer))
    fold.isRehearsal = true
    let report = try fold.run(
      plan, tensors: Array(base.source.tensors.indices), into: files, progress: progress)
    if let writer, let undo {
      try FoldJob.namingRepeats(true, undo) { try finish(writer, on: machine) }
    }
    var known = KnownStatistics(adapters)
    known.addMeasured(adapters)
    return ShardRecord(report: report, statistics: known)
  }

  private func record(of pending: PendingFold) throws -> ShardRecord {
    guard
      let record = ShardRecord(
        parsing: pending.state, of: self, inPlaceFingerprint.hexadecimal)
    else {
      throw InPlaceError.otherFold(
        path: request.base, journal: pending.journal, command: pending.command)
    }
    return record
  }

  /// What the fold is, whatever the weights are by now: request, adapters, headers.
  private var inPlaceFingerprint: SHA256Digest {
    var request = request.absolute
    request.replacing = false
    let text = JSONValue.members([
      "tool": .string(FoldJob.toolVersion), "request": request.json,
      "config": base.configDigest.map(JSONValue.string),
      "adapters": .array(
        adapters.flatMap { $0.digests + $0.sidecars.map(\.digest) }.map(JSONValue.string)),
      "base": .array(
        base.shards.map { shard in
          .string(
            "\(Paths.name(of: shard.label)) \(shard.size) "
              + SHA256Hasher.digest(of: shard.header.text).hexadecimal)
        }),
    ]).serialized()
    return SHA256Hasher.digest(of: Array(text.utf8))
  }
}

extension FoldGroup {
  /// Bytes that the group writes.
  fileprivate var byteCount: Int { spans.reduce(0) { $0 + $1.count } }
}
