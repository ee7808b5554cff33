internal import ByteIO
internal import Folding
internal import Planning
internal import Safetensors
internal import Tensors

/// The folder that a job fills before it gets its name: shards as they are finished, and a record of
/// each (Folding §6.4).
final class FoldWorkspace: Sendable {
  /// What is in the folder.
  let results: FoldResults
  private let job: FoldJob
  private let folder: OutputFolder

  /// The names that the output may have; what is recorded meanwhile is removed before it appears.
  static func names(_ job: FoldJob) -> Set<String> {
    Set(
      job.layout.shards.map(\.name) + [job.layout.indexName].compactMap { $0 }
        + job.base.companions)
  }

  /// Opens the folder for a run on this machine, and removes what a run of another job left in it.
  ///
  /// - Throws: `PlanError.held`, `FileError`, `SystemError`.
  init(_ job: FoldJob) throws {
    self.job = job
    results = FoldResults(job, in: OutputFolder.temporaryPath(of: job.request.output))
    folder = try WorkOwner.open(
      job.request.output, names: job.layout.isFolder ? FoldWorkspace.names(job) : nil,
      replacing: job.request.replacing, for: .alone,
      WorkOwner(fingerprint: results.fingerprint, plan: nil))
    for name in try folder.entries where !(try results.isOurs(name)) && name != WorkOwner.fileName {
      try folder.remove(name)
    }
  }

  /// Opens the folder for a task of a plan: others go on with it, so that nothing in it is removed,
  /// whatever fails, before it is published.
  ///
  /// - Throws: `PlanError.held`, `FileError`, `SystemError`.
  init(_ job: FoldJob, of plan: String, for sharing: OutputFolder.Sharing) throws {
    self.job = job
    results = FoldResults(job, in: OutputFolder.temporaryPath(of: job.request.output))
    folder = try WorkOwner.open(
      job.request.output, names: job.layout.isFolder ? FoldWorkspace.names(job) : nil,
      replacing: job.request.replacing, for: sharing,
      WorkOwner(fingerprint: results.fingerprint, plan: plan))
  }

  /// Checks that the disk has room for the shards that are not finished.
  ///
  /// - Throws: `FileError.noSpace`.
  func checkSpace() throws {
    try Paths.requireSpace(results.missingBytes(), at: job.request.output)
  }

  /// The path of a file before it is published.
  func path(of name: String) -> String { folder.path(of: name) }

  /// Notes that a shard is complete and verified.
  func record(_ record: ShardRecord, _ number: Int) throws {
    var record = record
    record.changeTime =
      try ReadableFile(path: folder.path(of: job.layout.shards[number].name)).changeTime
    try write(record.json(of: job, results.fingerprint), to: FoldResults.recordName(number))
  }

  /// Keeps what a statistics task found in a shard of the base.
  func record(_ statistics: KnownStatistics, ofBaseShard number: Int) throws {
    try write(statistics, to: FoldResults.statisticsName(number))
  }

  /// Keeps the statistics of all shards of the base.
  func record(combined statistics: KnownStatistics) throws {
    try write(statistics, to: FoldResults.combinedName)
  }

  private func write(_ statistics: KnownStatistics, to name: String) throws {
    try write(
      .members([
        "fingerprint": .string(results.fingerprint), "statistics": job.json(of: statistics),
      ]), to: name)
  }

  private func write(_ json: JSONValue, to name: String) throws {
    try OutputFile.write(
      Array((json.serialized() + "\n").utf8), to: folder.path(of: name), replacing: true)
  }

  // MARK: The end

  /// Adds the other files and the index, and gives the folder its name.
  ///
  /// - Parameter plan: the plan that is to know its output by it.
  func publish(notingIn plan: String? = nil) throws {
    guard job.layout.isFolder else {
      let name = job.layout.shards[0].name
      if let plan { try Publication.note(nil, of: path(of: name), in: plan) }
      return try folder.commit(file: name)
    }
    for name in job.base.companions { try copy(name) }
    if let indexName = job.layout.indexName {
      try OutputFile.write(
        Array(job.layout.indexText(job.base.indexMetadata).utf8), to: folder.path(of: indexName),
        replacing: true)
    }
    let names = FoldWorkspace.names(job)
    for name in try folder.entries where !names.contains(name) { try folder.remove(name) }
    if let plan {
      try Publication.note(job.layout.shards[0].name, of: folder.temporaryPath, in: plan)
    }
    try folder.commit()
  }

  private func copy(_ name: String) throws {
    let source = Paths.join(job.base.path, name)
    if name == FoldBase.configName, let text = job.config {
      try OutputFile.write(Array(text.utf8), to: folder.path(of: name), replacing: true)
    } else {
      try OutputFile.copy(of: source, to: folder.path(of: name), replacing: true)
    }
  }
}
