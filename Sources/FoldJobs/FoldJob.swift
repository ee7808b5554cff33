internal import Adapters
internal import ByteIO
public import Folding
internal import Merging
internal import Planning
internal import Safetensors
internal import Tensors

/// A fold of files into files: everything opened, checked and decided, nothing written.
///
/// It is a set of tasks that do not depend on each other, one for each output shard; `run` does all of
/// them on this machine (Folding §6).
public struct FoldJob: Sendable {
  /// The version that provenance names.
  public static let toolVersion = "0.1.0"

  /// What was asked for.
  public let request: FoldRequest
  /// The base.
  public let base: FoldBase
  /// The adapters.
  public let adapters: [OpenedAdapter]
  /// What becomes of every tensor.
  public let plan: FoldPlan
  /// The files that are written.
  public let layout: OutputLayout
  let ties: [TiedTensors]

  /// Opens everything, matches and decides; reads the base where a merge needs it.
  ///
  /// - Throws: errors of the formats, `MergeError`, `BaseMatchError`, `FoldPlanError`.
  public init(_ request: FoldRequest, on machine: FoldMachine) throws {
    self.request = request
    let base = try FoldBase(path: request.base, threads: machine.threads)
    self.base = base
    adapters = try OpenedAdapter.all(of: request, base, machine)
    ties = base.ties
    plan = try FoldPlan(
      base: base.source, inputs: adapters.map(\.input),
      settings: FoldSettings(
        dtype: request.dtype, rounding: request.rounding, allowsUnmatched: request.allowsUnmatched,
        ties: ties))
    let provenance = request.recordsProvenance ? Provenance(request, adapters) : nil
    layout = OutputLayout(
      plan, base, maximumShardBytes: request.maximumShardBytes, output: request.output
    ) { provenance?.added(to: $0) ?? $0 }
    for (adapter, match) in zip(adapters, plan.matches) {
      adapter.deferred?.setWeights(ofUpdates: match.weights)
    }
    for shard in layout.shards {
      try shard.layout.check(
        for: layout.isFolder ? Paths.join(request.output, shard.name) : request.output)
    }
  }

  /// Bytes of everything that is written.
  public var byteCount: Int { layout.byteCount }

  /// What the user should know of the base and the output, one line each.
  ///
  /// - Parameter isInPlace: whether the base is the output, so that nothing is copied.
  public func notes(isInPlace: Bool = false) -> [String] {
    var lines = adapters.flatMap(\.notes)
    for tie in ties {
      let changed = Set(plan.changes.map(\.weight))
      guard !changed.isDisjoint(with: [tie.embedding, tie.output]) else { continue }
      lines.append(
        "'\(tie.embedding)' and '\(tie.output)' are tied in this model (config.json): both change")
    }
    return lines + (isInPlace ? [] : base.notes)
  }

  /// What may be wrong, one line each.
  public var warnings: [String] {
    let folded = base.shards.reduce(into: Set<String>()) {
      $0.formUnion(Provenance.folded(into: $1.header.metadata))
    }
    let again = adapters.filter { !folded.isDisjoint(with: $0.digests) }
    return base.warnings + adapters.flatMap(\.warnings)
      + again.map {
        "\($0.path.escapedForTerminal) is folded into \(request.base.escapedForTerminal) already, by "
          + "its metadata; now it is added once more"
      }
  }

  /// The files of the output in the order in which they are listed: shards, index, others.
  public var files: [String] {
    guard layout.isFolder else { return [request.output] }
    let names = layout.shards.map(\.name) + [layout.indexName].compactMap { $0 } + base.companions
    return names.map { Paths.join(request.output, $0) }
  }

  /// Checks that the output can be written, before any work.
  ///
  /// - Throws: `FileError.exists` and the like, `FileError.noSpace`.
  public func checkOutput() throws {
    if layout.isFolder {
      try OutputFolder.check(
        path: request.output, names: FoldWorkspace.names(self), replacing: request.replacing)
    } else {
      try OutputFile.check(path: request.output, replacing: request.replacing)
    }
  }

  /// Folds everything on this machine; the output appears when all of it is verified.
  ///
  /// A run of the same job that was killed is gone on with: shards it had finished are kept, except
  /// where an undo file is written too, which needs all of them.
  ///
  /// - Parameters:
  ///   - undo: where to write an undo file; nil for none. It has its name before the output has.
  ///   - progress: called with the bytes of the base that are done; an error it throws stops the fold
  ///     and leaves nothing.
  /// - Throws: `FoldError`, `FileError`, `SystemError`, errors of reading.
  public func run(
    undo: String? = nil, on machine: FoldMachine,
    progress: @escaping @Sendable (FoldProgress) throws -> Void = { _ in }
  ) throws -> FoldJobResult {
    let undo = try undo.map { try undoWriter($0) }
    var known = KnownStatistics(adapters)
    guard layout.isFolder else {
      try WorkOwner.check(ofOutput: request.output, for: nil)
      let writer = try writer(0, at: request.output, replacing: request.replacing)
      let report = try unsafe fold(
        0, into: writer, &known, on: machine, change: undo.map(observer), progress)
      if let undo { try finish(undo, on: machine) }
      try writer.commit()
      return FoldJobResult(report: report, files: files, bytesWritten: byteCount, resumedShards: 0)
    }
    let workspace = try FoldWorkspace(self)
    try workspace.checkSpace()
    var reports: [FoldReport] = []
    var (resumed, done) = (0, 0)
    let total = base.source.byteCount
    let finisher = Finisher()
    defer { finisher.wait() }
    for (number, shard) in layout.shards.enumerated() {
      if undo == nil, let record = try workspace.results.finished(number) {
        reports.append(record.report)
        known.add(record.statistics)
        resumed += 1
      } else {
        let writer = try writer(number, at: workspace.path(of: shard.name), replacing: true)
        let before = done
        let report = try unsafe fold(
          number, into: writer, &known, on: machine, change: undo.map(observer)
        ) { try progress(FoldProgress(bytesDone: before + $0.bytesDone, bytesTotal: total)) }
        reports.append(report)
        let record = ShardRecord(report: report, statistics: statistics(ofShard: number, known))
        // Flushing one shard goes along with folding the next.
        try finisher.start {
          try writer.commit()
          try workspace.record(record, number)
        }
      }
      done += shard.tensors.reduce(0) { $0 + base.source.tensors[$1].byteCount }
    }
    try finisher.finish()
    if let undo { try finish(undo, on: machine) }
    try workspace.publish()
    return FoldJobResult(
      report: .combined(reports), files: files, bytesWritten: byteCount, resumedShards: resumed)
  }

  func writer(_ number: Int, at path: String, replacing: Bool) throws -> SafetensorsWriter {
    try SafetensorsWriter(path: path, layout: layout.shards[number].layout, replacing: replacing)
  }

}

/// What a job did.
public struct FoldJobResult: Sendable {
  /// The figures.
  public let report: FoldReport
  /// The files of the output.
  public let files: [String]
  /// Bytes of all files of tensors.
  public let bytesWritten: Int
  /// Shards that an earlier run had finished.
  public let resumedShards: Int
}
