public import ByteIO
internal import Folding
internal import Merging
public import Planning
internal import Safetensors
internal import Tensors

/// A fold as tasks (Folding §6.1).
extension FoldJob: PlannedJob {
  /// What plans of folds are called.
  public static let kind = "fold"

  /// The request with absolute paths.
  public var requestJSON: JSONValue { request.absolute.json }

  /// Where the output goes, as an absolute path.
  public var output: String { request.absolute.output }

  /// The tasks by their numbers: for `bw` one of statistics for each shard of the base and one that
  /// combines them, then one for each shard of the output, and the end.
  public var tasks: [PlannedTask] {
    var tasks: [PlannedTask] = []
    if adapters.contains(where: { $0.deferred != nil }) {
      for (number, (shard, range)) in zip(base.shards, base.tensorsOfShards).enumerated() {
        let tensors = Set(range)
        let measured = adapters.compactMap(\.deferred).reduce(into: Set<Int>()) { set, deferred in
          set.formUnion(deferred.weights(in: tensors))
        }
        tasks.append(
          PlannedTask(
            stage: .statistics, part: number, name: Paths.name(of: shard.label),
            bytesRead: measured.reduce(0) { $0 + base.source.tensors[$1].byteCount },
            bytesWritten: 0))
      }
      tasks.append(
        PlannedTask(
          stage: .combine, part: 0, name: "statistics", bytesRead: 0, bytesWritten: 0))
    }
    for (number, shard) in layout.shards.enumerated() {
      tasks.append(
        PlannedTask(
          stage: .fold, part: number, name: shard.name,
          bytesRead: shard.tensors.reduce(0) { $0 + base.source.tensors[$1].byteCount },
          bytesWritten: shard.layout.fileSize))
    }
    return tasks + [
      PlannedTask(
        stage: .finish, part: 0, name: Paths.name(of: request.output), bytesRead: 0,
        bytesWritten: 0)
    ]
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

  /// Which tasks have left their results.
  ///
  /// - Throws: errors of reading.
  public func finishedTasks(of plan: String) throws -> [Bool] {
    let tasks = tasks
    if try isPublished(by: plan) { return tasks.map { _ in true } }
    try checkOutput(replacing: request.replacing)
    let results = FoldResults(self, in: OutputFolder.temporaryPath(of: request.output))
    let hasCombined = try results.combinedStatistics() != nil
    return try tasks.map { task in
      switch task.stage {
      // Statistics of all shards need those of none any more.
      case .statistics: try hasCombined || results.statistics(ofBaseShard: task.part) != nil
      case .combine: hasCombined
      case .fold: try results.finished(task.part) != nil
      default: false
      }
    }
  }

  /// Runs one task alone: it writes its result into the job's work folder, whole or not at all, and
  /// does nothing where the result is there.
  ///
  /// - Throws: as `PlannedJob.run`; as `FoldJob.run`.
  public func run(
    task number: Int, of plan: String, on machine: FoldMachine,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> Bool {
    let tasks = tasks
    guard tasks.indices.contains(number) else {
      throw PlanError.noTask(found: number, count: tasks.count)
    }
    if tasks[number].stage == .finish { return try finish(of: plan) != nil }
    return try unlessPublished(by: plan, replacing: request.replacing) {
      try run(tasks[number], tasks, of: plan, on: machine, progress: progress)
    } ?? false
  }

  private func run(
    _ task: PlannedTask, _ tasks: [PlannedTask], of plan: String, on machine: FoldMachine,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void
  ) throws -> Bool {
    let workspace = try FoldWorkspace(self, of: plan, for: .withOthers)
    let results = workspace.results
    switch task.stage {
    case .statistics:
      guard try results.combinedStatistics() == nil,
        try results.statistics(ofBaseShard: task.part) == nil
      else { return false }
      try workspace.record(measure(task.part, on: machine), ofBaseShard: task.part)
    case .combine:
      if try results.combinedStatistics() != nil { return false }
      try workspace.record(combined: statistics(from: results, tasks))
    default:
      if try results.finished(task.part) != nil { return false }
      var known = try combinedStatistics(from: results, tasks)
      let writer = try writer(
        task.part, at: workspace.path(of: layout.shards[task.part].name), replacing: true)
      let report = try unsafe fold(task.part, into: writer, &known, on: machine) {
        try progress($0.bytesDone, $0.bytesTotal)
      }
      try writer.commit()
      try workspace.record(
        ShardRecord(report: report, statistics: KnownStatistics(adapters)), task.part)
    }
    return true
  }

  /// Runs the last task: checks that every other has left its result, and gives the output its name;
  /// the index is written last.
  ///
  /// - Returns: what all tasks did; nil where the output had its name before.
  /// - Throws: `PlanError.missingTasks`, `PlanError.held`; errors of writing.
  public func finish(of plan: String) throws -> FoldJobResult? {
    try unlessPublished(by: plan, replacing: request.replacing) {
      let tasks = tasks
      guard try OutputFolder.isBegun(path: request.output) else {
        throw PlanError.missingTasks(Array(tasks.indices.dropLast()))
      }
      let workspace = try FoldWorkspace(self, of: plan, for: .alone)
      let records = try layout.shards.indices.map { try workspace.results.finished($0) }
      let missing = tasks.indices.filter {
        tasks[$0].stage == .fold && records[tasks[$0].part] == nil
      }
      guard missing.isEmpty else { throw PlanError.missingTasks(missing) }
      try workspace.publish(notingIn: plan)
      return FoldJobResult(
        report: .combined(records.compactMap { $0?.report }), files: files,
        bytesWritten: byteCount, resumedShards: 0)
    }
  }

  // MARK: Statistics

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

  /// What all tasks of statistics found.
  private func statistics(
    from results: FoldResults, _ tasks: [PlannedTask]
  ) throws -> KnownStatistics {
    var known = KnownStatistics(adapters)
    var missing: [Int] = []
    for number in tasks.numbers(of: .statistics) {
      if let found = try results.statistics(ofBaseShard: tasks[number].part) {
        known.add(found)
      } else {
        missing.append(number)
      }
    }
    guard missing.isEmpty else { throw PlanError.missingTasks(missing) }
    return known
  }

  /// What the task that combines them left; nothing where there is none.
  private func combinedStatistics(
    from results: FoldResults, _ tasks: [PlannedTask]
  ) throws -> KnownStatistics {
    let combining = tasks.numbers(of: .combine)
    if combining.isEmpty { return KnownStatistics(adapters) }
    guard let known = try results.combinedStatistics() else {
      throw PlanError.missingTasks(Array(combining))
    }
    return known
  }
}
