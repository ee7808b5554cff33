import Adapters
import ByteIO
import FoldJobs
import Folding
import Merging
import Reports
import Tensors

/// What `fold` tells of its plan, and of its result once there is one.
struct FoldCommandReport {
  /// The result; nil for a dry run.
  var result: FoldJobResult?
  /// The plan that was written instead.
  var plan: PlanReport?
  /// How long all took.
  var seconds = 0.0

  /// Whether the base itself was overwritten.
  var isInPlace = false
  /// Whether a fold in place that was interrupted is gone on with.
  var isResumed = false

  /// The page about the result, where one is written.
  var pagePath: String?

  let job: FoldJob
  private let threads: Int
  private let undoPath: String?

  init(_ job: FoldJob, threads: Int, undoPath: String?) {
    self.job = job
    self.threads = threads
    self.undoPath = undoPath
  }

  private var changes: FoldPlan { job.plan }

  /// Tells of it all, on a page too where one is asked for.
  mutating func show(
    _ page: ReportOptions, _ common: CommonOptions, since start: ContinuousClock.Instant
  ) throws {
    seconds = (ContinuousClock.now - start) / .seconds(1)
    common.warn(warnings)
    if let written = self.page {
      try page.write(
        replacing: job.request.replacing || isResumed, json: json, written.html)
    }
    try common.print(json, text)
  }

  /// The room that is asked for; nil once nothing is left to be written.
  private var space: FoldSpace? { result == nil ? job.space(inPlace: isInPlace) : nil }

  /// What the user should not overlook.
  var warnings: [String] {
    var lines: [String] = []
    let lost = (result?.report.blocks ?? []).filter {
      $0.unchangedShare > FoldFigures.warningShare
    }
    if let worst = lost.max(by: { $0.unchangedShare < $1.unchangedShare }) {
      lines.append(
        "\(lost.count) of \(result?.report.blocks.count ?? 0) weights: more than half of their "
          + "elements did not change though their delta is not zero (at most "
          + "\(Format.percent(worst.unchangedShare)), '\(worst.weight)'): the delta is lost to rounding "
          + "in the stored dtype; --rounding stochastic keeps it on average, a wider --dtype exactly"
      )
    }
    if isResumed, result == nil {
      lines.append(
        "\(job.request.base.escapedForTerminal) is half folded; without --dry-run this finishes it")
    }
    if !changes.unmatched.isEmpty {
      lines.append(
        "left out \(changes.unmatched.count) blocks without a base weight: "
          + changes.unmatched.listed { "'\($0)'" })
    }
    return lines
  }

  var json: JSONValue {
    let space = space
    return .members([
      "output": .string(job.request.output),
      "files": .array(job.files.map(JSONValue.string)),
      "method": .string(job.adapters[0].method),
      "reason": job.adapters[0].reason.map(JSONValue.string),
      "compat": .string(job.request.profile.rawValue),
      "adapters": .array(zip(job.adapters, changes.matches).map(json)),
      "dry_run": .bool(result == nil),
      "names": names(changes.matches[0]),
      "tensors_changed": .integer(changes.foldedCount),
      "tensors_copied": .integer(changes.copiedCount),
      "unmatched": .array(changes.unmatched.map { .string($0.string) }),
      "bytes_written": .integer(result?.bytesWritten ?? 0),
      "bytes_planned": .integer(job.byteCount),
      "bytes_read": .integer(job.bytesRead),
      "bytes_needed": space.map { .integer($0.needed) },
      "bytes_free": space?.free.map(JSONValue.integer),
      "in_place": .bool(isInPlace),
      "html": pagePath.map(JSONValue.string),
      "undo": result == nil ? nil : undoPath.map(JSONValue.string),
      "plan": plan?.path, "tasks": plan?.tasks, "jobs": plan?.jobs,
      "peak_memory": .integer(changes.peakMemory(threads: threads)),
      "resumed_shards": result.map { .integer($0.resumedShards) },
      "seconds": .double(seconds),
      "verified": .bool(result != nil),
      "blocks": .array(result.map { $0.report.blocks.map(Self.json) } ?? planned),
      "warnings": .array((job.warnings + warnings).map(JSONValue.string)),
      "notes": .array(job.notes(isInPlace: isInPlace).map(JSONValue.string)),
    ])
  }

  private func json(_ adapter: OpenedAdapter, _ match: BaseMatch) -> JSONValue {
    .members([
      "path": .string(adapter.path), "format": .string(adapter.format),
      "kinds": .array(adapter.kinds.map(JSONValue.string)),
      "structure": .string(adapter.structure.rawValue), "method": .string(adapter.method),
      "weight": .double(adapter.weight), "names": names(match),
    ])
  }

  private func names(_ match: BaseMatch) -> JSONValue {
    .members([
      "stripped": .string(match.substitution.stripped), "added": .string(match.substitution.added),
    ])
  }

  private static func json(_ figures: FoldFigures) -> JSONValue {
    .members([
      "name": .string(figures.block.string),
      "weight": .string(figures.weight.string),
      "delta_norm": .double(figures.deltaNorm),
      "unchanged_share": .double(figures.unchangedShare),
      "realised_error": .double(figures.realisedError),
    ])
  }

  private var planned: [JSONValue] {
    changes.changes.map { change in
      .members([
        "name": .string(change.name.string),
        "weight": .string(change.weight.string),
        "kinds": .array(change.kinds.map(JSONValue.string)),
        "rank": change.rank.map(JSONValue.integer),
      ])
    }
  }

  var text: String {
    outcome + ReportOptions.text(pagePath, isDryRun: result == nil)
  }

  private var outcome: String {
    var lines = ""
    for (adapter, match) in zip(job.adapters, changes.matches) {
      lines += title(adapter, match) + "\n"
    }
    for note in job.notes(isInPlace: isInPlace) { lines += "note: \(note)\n" }
    lines += "\n" + table + "\n"
    if let space, space.shortage > 0 {
      lines +=
        "needs \(Format.bytes(space.needed)) at \(space.path.escapedForTerminal), "
        + "\(Format.bytes(space.free ?? 0)) are free: \(Format.bytes(space.shortage)) short; "
        + "free some or write elsewhere\n"
    }
    let counts = "\(changes.foldedCount) tensors folded, \(changes.copiedCount) copied"
    let files =
      job.layout.shards.count == 1 ? "" : " in \(job.layout.shards.count) files"
    if let plan { return lines + plan.text }
    if isInPlace, result == nil {
      return lines
        + "would fold into \(job.request.base.escapedForTerminal) itself: \(changes.foldedCount) tensors; "
        + "nothing was written\n"
    }
    guard let result else {
      return lines
        + "would write \(job.request.output.escapedForTerminal) (\(Format.bytes(job.byteCount))"
        + "\(files)): \(counts); reads \(Format.bytes(job.bytesRead)) of the base, peak memory "
        + "\(Format.bytes(changes.peakMemory(threads: threads))); nothing was written\n"
    }
    let undo = undoPath.map { "; \($0.escapedForTerminal) takes it back" } ?? ""
    if isInPlace {
      return lines
        + "folded into \(job.request.base.escapedForTerminal) itself: \(changes.foldedCount) tensors, "
        + "verified\(undo), \(Format.fixed(seconds, decimals: 2)) s\n"
    }
    let resumed =
      result.resumedShards == 0
      ? "" : ", \(result.resumedShards) files of an earlier run kept"
    return lines
      + "wrote \(job.request.output.escapedForTerminal) (\(Format.bytes(job.byteCount))\(files)): "
      + "\(counts), verified\(resumed)\(undo), \(Format.fixed(seconds, decimals: 2)) s\n"
  }

  private func title(_ adapter: OpenedAdapter, _ match: BaseMatch) -> String {
    let weight = adapter.weight == 1 ? "" : " x \(Format.number(adapter.weight))"
    let kind =
      adapter.structure == .plain
      ? adapter.kinds.joined(separator: ", ")
      : "\(adapter.structure.title) (\(adapter.structure.rawValue))"
    let reason = adapter.reason.map { " (\($0))" } ?? ""
    let merged =
      adapter.method == "none" && adapter.structure == .plain
      ? "" : "; method \(adapter.method)\(reason)"
    return "\(adapter.path.escapedForTerminal)\(weight): \(adapter.format), \(kind)\(merged); "
      + "names: \(match.substitution.description)"
  }

  private var table: String {
    guard let result else {
      var table = Table([("block", .left), ("weight", .left), ("kind", .left), ("shape", .right)])
      for change in changes.changes {
        table.append([
          change.name.description, change.weight.description,
          change.kinds.joined(separator: " + "), Format.shape([change.rows, change.columns]),
        ])
      }
      return table.text
    }
    var table = Table([
      ("weight", .left), ("‖Δ‖", .right), ("unchanged", .right), ("realised error", .right),
    ])
    for figures in result.report.blocks {
      table.append([
        figures.weight.description, Format.number(figures.deltaNorm),
        Format.percent(figures.unchangedShare), Format.number(figures.realisedError),
      ])
    }
    return table.text
  }
}
