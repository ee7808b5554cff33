internal import ByteIO
internal import Folding
internal import Safetensors
internal import Tensors

/// The folder that a job fills before it gets its name: shards as they are finished, and a record of
/// each (Folding §6.4).
final class FoldWorkspace: Sendable {
  private let job: FoldJob
  private let folder: OutputFolder
  private let fingerprint: String

  /// The names that the output may have; what is recorded meanwhile is removed before it appears.
  static func names(_ job: FoldJob) -> Set<String> {
    Set(
      job.layout.shards.map(\.name) + [job.layout.indexName].compactMap { $0 }
        + job.base.companions)
  }

  /// Opens the folder, and removes what a run of another job left in it.
  ///
  /// - Parameter keeping: whether other tasks go on with the folder, so that nothing in it is
  ///   removed, whatever fails, before it is published.
  /// - Throws: `FileError`, `SystemError`.
  init(_ job: FoldJob, for sharing: OutputFolder.Sharing, keeping: Bool) throws {
    self.job = job
    fingerprint = job.fingerprint
    folder = try OutputFolder(
      path: job.request.output, names: job.layout.isFolder ? FoldWorkspace.names(job) : nil,
      replacing: job.request.replacing, for: sharing)
    folder.keep(keeping)
    if !keeping {
      for name in try folder.entries where !(try isOurs(name)) { try folder.remove(name) }
    }
  }

  /// Checks that the disk has room for the shards that are not finished.
  ///
  /// - Throws: `FileError.noSpace`.
  func checkSpace() throws { try Paths.requireSpace(missingBytes(), at: job.request.output) }

  /// The path of a file before it is published.
  func path(of name: String) -> String { folder.path(of: name) }

  // MARK: Finished shards

  private static func recordName(_ number: Int) -> String { ".shard-\(number).json" }

  /// Notes that a shard is complete and verified.
  func record(_ record: ShardRecord, _ number: Int) throws {
    var record = record
    record.changeTime =
      try ReadableFile(path: folder.path(of: job.layout.shards[number].name)).changeTime
    let text = record.json(of: job, fingerprint).serialized() + "\n"
    try OutputFile.write(
      Array(text.utf8), to: folder.path(of: FoldWorkspace.recordName(number)), replacing: true)
  }

  /// What folding a shard gave, where it is there and complete.
  func finished(_ number: Int) throws -> ShardRecord? {
    let name = FoldWorkspace.recordName(number)
    guard try Paths.kind(of: folder.path(of: name)) == .file,
      let text = try? ReadableFile.contents(of: folder.path(of: name), limit: 1 << 28),
      let record = ShardRecord(parsing: text, of: job, fingerprint)
    else { return nil }
    let shard = job.layout.shards[number]
    guard let file = try? ReadableFile(path: folder.path(of: shard.name)),
      file.size == shard.layout.fileSize, file.changeTime == record.changeTime,
      try file.bytes(at: 0, count: shard.layout.headerBytes.count) == shard.layout.headerBytes
    else { return nil }
    return record
  }

  // MARK: Statistics of shards of the base

  private static func statisticsName(_ number: Int) -> String { ".statistics-\(number).json" }

  /// Keeps what a statistics task found in a shard of the base.
  func record(_ statistics: KnownStatistics, ofBaseShard number: Int) throws {
    let text = JSONValue.members([
      "fingerprint": .string(fingerprint), "statistics": job.json(of: statistics),
    ]).serialized()
    try OutputFile.write(
      Array((text + "\n").utf8), to: folder.path(of: FoldWorkspace.statisticsName(number)),
      replacing: true)
  }

  /// What the statistics task of a shard found; nil where it has not run.
  func statistics(ofBaseShard number: Int) throws -> KnownStatistics? {
    let path = folder.path(of: FoldWorkspace.statisticsName(number))
    guard try Paths.kind(of: path) == .file,
      let text = try? ReadableFile.contents(of: path, limit: 1 << 28),
      let object = (try? JSONValue(parsing: text))?.object,
      object["fingerprint"]?.string == fingerprint
    else { return nil }
    return object["statistics"].flatMap(job.statistics(parsing:))
  }

  private func missingBytes() throws -> Int {
    try job.layout.shards.enumerated().reduce(0) { sum, shard in
      try finished(shard.offset) == nil ? sum + shard.element.layout.fileSize : sum
    }
  }

  /// Whether a file of the folder belongs to this job and is complete.
  private func isOurs(_ name: String) throws -> Bool {
    for number in job.base.shards.indices where name == FoldWorkspace.statisticsName(number) {
      return try statistics(ofBaseShard: number) != nil
    }
    return try job.layout.shards.enumerated().contains { number, shard in
      guard name == shard.name || name == FoldWorkspace.recordName(number) else { return false }
      return try finished(number) != nil
    }
  }

  // MARK: The end

  /// Adds the other files and the index, and gives the folder its name.
  func publish() throws {
    guard job.layout.isFolder else {
      return try folder.commit(file: job.layout.shards[0].name)
    }
    for name in job.base.companions { try copy(name) }
    if let indexName = job.layout.indexName {
      try OutputFile.write(
        Array(job.layout.indexText(job.base.indexMetadata).utf8), to: folder.path(of: indexName),
        replacing: true)
    }
    let names = FoldWorkspace.names(job)
    for name in try folder.entries where !names.contains(name) { try folder.remove(name) }
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
