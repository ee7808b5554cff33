internal import Activations
internal import Adapters
internal import ByteIO
public import FoldJobs
internal import LinearAlgebra
public import Merging
internal import Planning
internal import Safetensors
internal import Tensors

extension MergeJob {
  /// All tasks, stage after stage.
  static func works(
    _ request: MergeRequest, _ fits: CalibratedFits, _ adapter: Adapter, _ base: BaseShards?,
    _ fingerprint: String
  ) throws -> [MergeTask] {
    var tasks: [MergeTask] = []
    for (index, shard) in (base?.shards ?? []).enumerated() {
      let blocks = base?.weights(in: index) ?? []
      tasks.append(
        .statistics, Paths.name(of: shard.label), index: index,
        bytesRead: base?.byteCount(of: blocks.indices.filter { blocks[$0] != nil }) ?? 0,
        bytesWritten: 0)
    }
    if base != nil {
      tasks.append(.combine, "statistics", bytesRead: 0, bytesWritten: 0)
    }
    var written = fits.groups.map { _ in 0 }
    for (index, group) in fits.groups.enumerated() where group.form == .primal {
      let size = try WorkFile.layout(
        GramFile.tensors(group, fits.noSums(of: index)), fingerprint
      ).fileSize
      for (fold, tokens) in fits.folds.enumerated() {
        tasks.append(
          .gram, group.name.string, index: index, fold: fold,
          bytesRead: fits.bytesRead(of: index, tokens: tokens.count), bytesWritten: size)
        // Each is read for the total, and where it is left out.
        written[index] += 2 * size
      }
    }
    var maps = 0
    for (index, group) in fits.groups.enumerated() {
      let tokens = fits.folds.reduce(0) { $0 + $1.count }
      let size = group.blocks.reduce(0) {
        $0 + 8 * adapter.blocks[$1].rank * group.features
      }
      tasks.append(
        .fit, group.name.string, index: index,
        bytesRead: (base?.byteCount(of: group.blocks) ?? 0)
          + (group.form == .primal
            ? written[index] : fits.bytesRead(of: index, tokens: tokens)),
        bytesWritten: size)
      maps += size
    }
    // A cut goes by captured inputs, and its folded norms by the base.
    let cut =
      request.truncation == nil
      ? 0
      : (base?.byteCount(of: adapter.blocks.indices) ?? 0)
        + fits.groups.indices.reduce(0) {
          $0 + fits.bytesRead(of: $1, tokens: fits.folds.last?.upperBound ?? 0) / 2
        }
    let elementBytes = request.dtype?.elementByteCount ?? 4
    tasks.append(
      .finish, Paths.name(of: request.output), bytesRead: maps + cut,
      bytesWritten: adapter.blocks.reduce(0) {
        $0 + elementBytes * $1.rank * ($1.inFeatures + $1.outFeatures)
      })
    return tasks
  }

  /// The numbers of the tasks that a task needs.
  func needed(for number: Int) -> [Int] {
    let task = works[number]
    return works.indices.filter { other in
      switch (task.stage, works[other].stage) {
      case (.combine, .statistics), (.fit, .combine), (.finish, .combine), (.finish, .fit): true
      case (.fit, .gram): works[other].index == task.index
      default: false
      }
    }
  }

  // MARK: Running

  /// Which tasks have left their results. Nothing but headers is read: a damaged result is found by the
  /// task that needs it, which removes it.
  ///
  /// - Throws: `SystemError`.
  public func finishedTasks(of plan: String) throws -> [Bool] {
    let isPublished = try isPublished(by: plan)
    if !isPublished { try checkOutput(replacing: request.replacing) }
    return try works.indices.map { try isPublished || file(of: $0) != nil }
  }

  /// Runs one task: it writes its result into the job's work folder, whole or not at all, and does
  /// nothing where the result is there. Doing it twice at the same time does no harm.
  ///
  /// - Parameter progress: called with what is done and what there is to do, in bytes or steps; with 0
  ///   and 0 where there is nothing to count. An error it throws stops the work.
  /// - Returns: whether there was anything to do.
  /// - Throws: `PlanError`, `MergeJobError`; errors of the merge, of reading and of writing.
  public func run(
    task number: Int, of plan: String, on machine: FoldMachine,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> Bool {
    try check(number)
    guard works[number].stage != .finish else {
      return try finish(of: plan, on: machine, progress: progress) != nil
    }
    return try unlessPublished(by: plan, replacing: request.replacing) {
      if try file(of: number) != nil { return false }
      try requireDone(needed(for: number))
      let folder = try workFolder(of: plan)
      return try withExtendedLifetime(folder) {
        let parts = try parts(of: works[number], merge(on: machine, progress))
        try WorkFile.write(
          parts, fingerprint: fingerprint, to: folder.path(of: works[number].fileName ?? ""))
        return true
      }
    } ?? false
  }

  /// Writes the merged adapter, the last of the tasks, and removes the work folder.
  ///
  /// - Returns: what `merge` reports; nil where the output was there before.
  /// - Throws: `PlanError.missingTasks`, `PlanError.held`; as `run`.
  public func finish(
    of plan: String, on machine: FoldMachine,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> MergeJobResult? {
    let number = works.count - 1
    return try unlessPublished(by: plan, replacing: request.replacing) {
      try requireDone(needed(for: number))
      let folder = try workFolder(of: plan, for: .alone)
      let merge = merge(on: machine, progress)
      let fits = try CalibratedFits(adapter, merge.inputs)
      let fitted = try works.indices.filter { works[$0].stage == .fit }.map { task in
        try result(of: task) { try FitFile.read($0, fits, group: works[task].index) }
      }
      let (method, reason) = try merge.choose(for: adapter)
      let decision = try merge.decision(
        adapter, by: method, reason: reason,
        merges: fits.merges(paper: paper(merge), fitted: fitted))
      let figures = try merge.figures(of: decision)
      let file = try AdapterFileContent(
        figures.lora, provenance: Provenance(baseModel: adapter.provenance.baseModel),
        dtype: request.dtype)
      try format.write(
        file, to: request.output,
        options: WriteOptions(
          replacing: request.replacing, compression: request.compression,
          threads: machine.threads, progress: progress))
      // A folder is known by one of its files.
      let name = try Paths.kind(of: output) == .folder ? Paths.entries(of: output).last : nil
      try Publication.note(name, of: output, in: plan)
      folder.keep(false)
      return MergeJobResult(merge: figures, byteCount: file.byteCount)
    }
  }

  /// What a task leaves.
  private func parts(of task: MergeTask, _ merge: Merge) throws -> [WorkFile.Part] {
    switch task.stage {
    case .statistics:
      let stepwise = try stepwise()
      let weights = base?.weights(in: task.index) ?? []
      return [
        try WorkFile.Part(
          MergeJob.statisticsName,
          stepwise.json(of: stepwise.statistics(of: weights, merge.inputs)))
      ]
    case .combine:
      let stepwise = try stepwise()
      let parts = try works.indices.filter { works[$0].stage == .statistics }.map(statistics)
      return [
        try WorkFile.Part(
          MergeJob.statisticsName, stepwise.json(of: stepwise.statistics(combining: parts)))
      ]
    case .gram:
      let fits = try CalibratedFits(adapter, merge.inputs)
      let (gram, part) = try fits.sums(of: task.index, fold: task.fold)
      return try GramFile.parts(gram, part, fits.groups[task.index])
    case .fit:
      let fits = try CalibratedFits(adapter, merge.inputs)
      let paper = try paper(merge)
      let grams = works.indices.filter {
        works[$0].stage == .gram && works[$0].index == task.index
      }
      let (steps, progress) = (fits.steps(of: task.index), merge.inputs.fitProgress)
      var done = 0
      var fitted = try fits.fit(
        task.index, paper: paper,
        source: grams.isEmpty
          ? nil : StoredFolds(job: self, fits: fits, group: task.index, tasks: grams)
      ) {
        try progress(done, steps)
        done += 1
      }
      // Norms of what a cut leaves are made after it.
      if request.truncation == nil {
        fitted = try fits.measured(fitted, of: task.index, paper: paper)
      }
      return try FitFile.parts(fitted, fits.groups[task.index])
    case .fold, .finish: preconditionFailure("the last task leaves no file")
    }
  }

  // MARK: The paper's merge

  private static let statisticsName: TensorName = "statistics"

  private func stepwise() throws -> StepwiseMerge {
    try StepwiseMerge(adapter, allowsNonFinite: request.allowsNonFinite)
  }

  private func statistics(of number: Int) throws -> JSONValue {
    try result(of: number) { file in
      guard file.tensors.map(\.name) == [MergeJob.statisticsName] else { return nil }
      return try file.contents().flatMap { try? JSONValue(parsing: $0[0]) }
    }
  }

  /// The merge that fits are drawn towards: by the statistics of the tasks before, or of what the
  /// adapter carries.
  private func paper(_ merge: Merge) throws -> PaperMerge? {
    guard let combined = works.firstIndex(where: { $0.stage == .combine }) else {
      return try PaperMerge(adapter, merge.inputs)
    }
    let stepwise = try stepwise()
    return try PaperMerge(
      stepwise, stepwise.statistics(combining: [statistics(of: combined)]))
  }
}

/// What a merge in tasks gave.
public struct MergeJobResult: Sendable {
  /// What `merge` on one machine gives and reports.
  public let merge: Merge.Result
  /// The size of the tensors written.
  public let byteCount: Int
}
