internal import ByteIO
internal import Safetensors
internal import Tensors

/// What tasks and earlier runs of a job have left in its work folder (Folding §6.4).
struct FoldResults: Sendable {
  let fingerprint: String
  private let job: FoldJob
  private let folder: String

  init(_ job: FoldJob, in folder: String) {
    self.job = job
    self.folder = folder
    fingerprint = job.fingerprint
  }

  static func recordName(_ number: Int) -> String { ".shard-\(number).json" }
  static func statisticsName(_ number: Int) -> String { ".statistics-\(number).json" }
  static let combinedName = ".statistics.json"

  /// What folding a shard gave, where it is there and complete.
  func finished(_ number: Int) throws -> ShardRecord? {
    guard let text = try text(of: FoldResults.recordName(number)),
      let record = ShardRecord(parsing: text, of: job, fingerprint)
    else { return nil }
    let shard = job.layout.shards[number]
    guard let file = try? ReadableFile(path: Paths.join(folder, shard.name)),
      file.size == shard.layout.fileSize, file.changeTime == record.changeTime,
      try file.bytes(at: 0, count: shard.layout.headerBytes.count) == shard.layout.headerBytes
    else { return nil }
    return record
  }

  /// What the statistics task of a shard of the base found; nil where it has not run.
  func statistics(ofBaseShard number: Int) throws -> KnownStatistics? {
    try statistics(in: FoldResults.statisticsName(number))
  }

  /// The statistics of all shards of the base; nil where they have not been combined.
  func combinedStatistics() throws -> KnownStatistics? {
    try statistics(in: FoldResults.combinedName)
  }

  private func statistics(in name: String) throws -> KnownStatistics? {
    guard let text = try text(of: name), let object = (try? JSONValue(parsing: text))?.object,
      object["fingerprint"]?.string == fingerprint
    else { return nil }
    return object["statistics"].flatMap(job.statistics(parsing:))
  }

  private func text(of name: String) throws -> [UInt8]? {
    let path = Paths.join(folder, name)
    guard try Paths.kind(of: path) == .file else { return nil }
    return try? ReadableFile.contents(of: path, limit: 1 << 28)
  }

  /// Whether a file of the folder belongs to this job and is complete.
  func isOurs(_ name: String) throws -> Bool {
    if name == FoldResults.combinedName { return try combinedStatistics() != nil }
    for number in job.base.shards.indices where name == FoldResults.statisticsName(number) {
      return try statistics(ofBaseShard: number) != nil
    }
    return try job.layout.shards.enumerated().contains { number, shard in
      guard name == shard.name || name == FoldResults.recordName(number) else { return false }
      return try finished(number) != nil
    }
  }

  /// Bytes of the shards that are not finished.
  func missingBytes() throws -> Int {
    try job.layout.shards.enumerated().reduce(0) { sum, shard in
      try finished(shard.offset) == nil ? sum + shard.element.layout.fileSize : sum
    }
  }
}
