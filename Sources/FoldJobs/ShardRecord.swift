internal import ByteIO
internal import Folding
internal import Tensors

/// What a finished shard leaves beside itself (Folding §6.4).
struct ShardRecord {
  let report: FoldReport
  /// What merges by weights learned of the shard's weights.
  let statistics: KnownStatistics
  /// When the shard's file was last changed, in nanoseconds since 1970: another task may have put one
  /// of its own in its place.
  var changeTime = 0

  init(report: FoldReport, statistics: KnownStatistics) {
    self.report = report
    self.statistics = statistics
  }

  func json(of job: FoldJob, _ fingerprint: String) -> JSONValue {
    .members([
      "fingerprint": .string(fingerprint),
      "changed": .integer(changeTime),
      "statistics": job.json(of: statistics),
      "tensors_changed": .integer(report.tensorsChanged),
      "tensors_copied": .integer(report.tensorsCopied),
      "bytes_written": .integer(report.bytesWritten),
      "blocks": .array(
        report.blocks.map { block in
          .array([
            .integer(block.position), .string(block.block.string), .string(block.weight.string),
            .double(block.deltaNorm), .double(block.unchangedShare), .double(block.realisedError),
          ])
        }),
    ])
  }

  /// - Returns: nil for a text that is no record, or one of another job.
  init?(parsing text: [UInt8], of job: FoldJob, _ fingerprint: String) {
    guard let object = (try? JSONValue(parsing: text))?.object,
      object["fingerprint"]?.string == fingerprint,
      let statistics = object["statistics"].flatMap(job.statistics(parsing:)),
      let changeTime = object["changed"]?.number?.integer,
      let changed = object["tensors_changed"]?.number?.integer,
      let copied = object["tensors_copied"]?.number?.integer,
      let bytes = object["bytes_written"]?.number?.integer,
      let entries = object["blocks"]?.array
    else { return nil }
    let blocks = entries.compactMap { entry -> FoldFigures? in
      guard let fields = entry.array, fields.count == 6, let position = fields[0].number?.integer,
        let block = fields[1].string, let weight = fields[2].string
      else { return nil }
      func number(_ field: JSONValue) -> Double { field.number?.double ?? .nan }
      return FoldFigures(
        position: position, block: TensorName(block), weight: TensorName(weight),
        deltaNorm: number(fields[3]), unchangedShare: number(fields[4]),
        realisedError: number(fields[5]))
    }
    guard blocks.count == entries.count else { return nil }
    self.statistics = statistics
    self.changeTime = changeTime
    report = FoldReport(
      blocks: blocks, tensorsChanged: changed, tensorsCopied: copied, bytesWritten: bytes)
  }
}
