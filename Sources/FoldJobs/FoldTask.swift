internal import ByteIO
public import Folding
internal import Merging
internal import Safetensors
internal import Tensors

/// A task of a job: it depends on no other of its kind, and can run on any machine that sees the
/// files (Folding §6.1).
public struct FoldTask: Sendable, Equatable {
  /// What a task does.
  public enum Kind: String, Sendable {
    /// Measures the adapted weights of a shard of the base, for a merge by weights.
    case statistics
    /// Writes a shard of the output.
    case fold
  }

  /// What it does.
  public let kind: Kind
  /// The shard, of the base or of the output.
  public let shard: Int
  /// Its file's name.
  public let name: String
  /// Bytes of the base's tensors that it reads.
  public let bytesRead: Int
  /// Bytes that it writes.
  public let bytesWritten: Int
}

extension FoldJob {
  /// The tasks by their numbers: those of statistics first, which all others need.
  public var tasks: [FoldTask] {
    var tasks: [FoldTask] = []
    if adapters.contains(where: { $0.deferred != nil }) {
      for (number, (shard, range)) in zip(base.shards, base.tensorsOfShards).enumerated() {
        let tensors = Set(range)
        let measured = adapters.compactMap(\.deferred).reduce(into: Set<Int>()) { set, deferred in
          set.formUnion(deferred.weights(in: tensors))
        }
        tasks.append(
          FoldTask(
            kind: .statistics, shard: number, name: Paths.name(of: shard.label),
            bytesRead: measured.reduce(0) { $0 + base.source.tensors[$1].byteCount },
            bytesWritten: 0))
      }
    }
    for (number, shard) in layout.shards.enumerated() {
      tasks.append(
        FoldTask(
          kind: .fold, shard: number, name: shard.name,
          bytesRead: shard.tensors.reduce(0) { $0 + base.source.tensors[$1].byteCount },
          bytesWritten: shard.layout.fileSize))
    }
    return tasks
  }

  /// Bytes of the base's tensors that `run` reads to fold: each once, and again those whose
  /// statistics a merge by weights needs before it comes to them.
  public var bytesRead: Int {
    let once = layout.shards.reduce(0) { sum, shard in
      sum + shard.tensors.reduce(0) { $0 + base.source.tensors[$1].byteCount }
    }
    var again = 0
    for deferred in adapters.compactMap(\.deferred) {
      var known = [Bool](repeating: false, count: deferred.merge.order.count)
      for shard in layout.shards {
        let tensors = Set(shard.tensors)
        for block in deferred.missing(for: tensors, isKnown: known) {
          known[block] = true
          again += deferred.weight(of: block).map { base.source.tensors[$0].byteCount } ?? 0
        }
        for block in deferred.blocks(in: tensors) { known[block] = true }
      }
    }
    return once + again
  }

  /// Runs one task alone: it writes its result into the job's work folder, whole or not at all, and
  /// does nothing where the result is there.
  ///
  /// - Returns: whether there was anything to do.
  /// - Throws: `FoldJobError.noTask`, `FoldJobError.missingStatistics`; as `run`.
  public func run(
    task number: Int, on machine: FoldMachine,
    progress: @escaping @Sendable (FoldProgress) throws -> Void = { _ in }
  ) throws -> Bool {
    let tasks = tasks
    guard tasks.indices.contains(number) else {
      throw FoldJobError.noTask(found: number, count: tasks.count)
    }
    let task = tasks[number]
    if try isPublished() { return false }
    let workspace = try FoldWorkspace(self, for: .withOthers, keeping: true)
    switch task.kind {
    case .statistics:
      if try workspace.statistics(ofBaseShard: task.shard) != nil { return false }
      try workspace.record(measure(task.shard, on: machine), ofBaseShard: task.shard)
    case .fold:
      if try workspace.finished(task.shard) != nil { return false }
      var known = try statistics(from: workspace, tasks)
      let writer = try writer(
        task.shard, at: workspace.path(of: layout.shards[task.shard].name), replacing: true)
      let report = try unsafe fold(task.shard, into: writer, &known, on: machine, progress)
      try writer.commit()
      try workspace.record(
        ShardRecord(report: report, statistics: KnownStatistics(adapters)), task.shard)
    }
    return true
  }

  /// Checks that every task has left its result, and gives the output its name; the index is
  /// written last.
  ///
  /// - Throws: `FoldJobError.missingTasks`; errors of writing.
  public func finish() throws -> FoldJobResult {
    if try isPublished() { throw FoldJobError.finishedBefore(output: request.output) }
    guard try OutputFolder.isBegun(path: request.output) else {
      throw FoldJobError.missingTasks(Array(tasks.indices))
    }
    let workspace = try FoldWorkspace(self, for: .alone, keeping: true)
    let records = try layout.shards.indices.map { try workspace.finished($0) }
    let tasks = tasks
    let missing = tasks.indices.filter {
      tasks[$0].kind == .fold && records[tasks[$0].shard] == nil
    }
    guard missing.isEmpty else { throw FoldJobError.missingTasks(missing) }
    try workspace.publish()
    return FoldJobResult(
      report: .combined(records.compactMap { $0?.report }), files: files, bytesWritten: byteCount,
      resumedShards: 0)
  }

  /// Whether the output has its name already: all its files of tensors are there, of the sizes and
  /// with the headers that are planned. Where an older output is to be replaced, nothing tells it
  /// from the new one.
  private func isPublished() throws -> Bool {
    if request.replacing { return false }
    return try layout.shards.allSatisfy { shard in
      let path = layout.isFolder ? Paths.join(request.output, shard.name) : request.output
      guard try Paths.kind(of: path) == .file else { return false }
      let file = try ReadableFile(path: path)
      let header = shard.layout.headerBytes
      return try file.size == shard.layout.fileSize
        && file.bytes(at: 0, count: header.count) == header
    }
  }

  /// The statistics of the adapted weights of a shard of the base.
  private func measure(_ shard: Int, on machine: FoldMachine) throws -> KnownStatistics {
    var result = KnownStatistics(adapters)
    let tensors = Set(base.tensorsOfShards[shard])
    for (position, adapter) in adapters.enumerated() {
      guard let deferred = adapter.deferred else { continue }
      result.byAdapter[position] = try deferred.gather(
        deferred.blocks(in: tensors), mergeInputs(on: machine))
    }
    return result
  }

  /// What all statistics tasks found.
  private func statistics(
    from workspace: FoldWorkspace, _ tasks: [FoldTask]
  ) throws -> KnownStatistics {
    var known = KnownStatistics(adapters)
    var missing: [Int] = []
    for (number, task) in tasks.enumerated() where task.kind == .statistics {
      if let found = try workspace.statistics(ofBaseShard: task.shard) {
        known.add(found)
      } else {
        missing.append(number)
      }
    }
    guard missing.isEmpty else { throw FoldJobError.missingStatistics(missing) }
    return known
  }
}
