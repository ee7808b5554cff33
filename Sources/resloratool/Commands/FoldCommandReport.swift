import Adapters
import ByteIO
import Folding
import Merging
import Tensors

/// What `fold` tells of its plan, and of its result once there is one.
struct FoldCommandReport {
  /// The result; nil for a dry run.
  var result: FoldReport?
  /// How long all took.
  var seconds = 0.0

  private let adapter: Adapter
  private let merged: Merge.Result
  private let plan: FoldPlan
  private let output: String
  private let fileSize: Int
  private let threads: Int

  init(
    _ adapter: Adapter, _ merged: Merge.Result, _ plan: FoldPlan, output: String, fileSize: Int,
    threads: Int
  ) {
    self.adapter = adapter
    self.merged = merged
    self.plan = plan
    self.output = output
    self.fileSize = fileSize
    self.threads = threads
  }

  /// What the user should not overlook.
  var warnings: [String] {
    var lines = (result?.blocks ?? []).filter {
      $0.unchangedShare > FoldFigures.warningShare
    }.map { figures in
      "'\(figures.weight)': \(Format.percent(figures.unchangedShare)) of its elements did not change "
        + "though their delta is not zero: the delta is lost to rounding in the stored dtype"
    }
    let unmatched = plan.unmatchedBlocks
    if !unmatched.isEmpty {
      lines.append(
        "left out \(unmatched.count) blocks without a base weight: "
          + unmatched.listed { "'\($0)'" })
    }
    return lines
  }

  var json: JSONValue {
    .members([
      "output": .string(output),
      "files": .array([.string(output)]),
      "method": .string(merged.method),
      "reason": merged.reason.map(JSONValue.string),
      "compat": .string(merged.profile.rawValue),
      "dry_run": .bool(result == nil),
      "names": .members([
        "stripped": .string(plan.match.substitution.stripped),
        "added": .string(plan.match.substitution.added),
      ]),
      "tensors_changed": .integer(plan.foldedCount),
      "tensors_copied": .integer(plan.copiedCount),
      "unmatched": .array(plan.unmatchedBlocks.map { .string($0.string) }),
      "bytes_written": .integer(result == nil ? 0 : fileSize),
      "bytes_planned": .integer(fileSize),
      "peak_memory": .integer(plan.peakMemory(threads: threads)),
      "seconds": .double(seconds),
      "verified": .bool(result != nil),
      "blocks": .array(result.map { $0.blocks.map(Self.json) } ?? planned),
      "warnings": .array(warnings.map(JSONValue.string)),
      "notes": .array(adapter.notes.map(JSONValue.string)),
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
    zip(plan.lora.blocks, plan.match.weights).compactMap { block, weight in
      weight.map { index in
        .members([
          "name": .string(block.name.string),
          "weight": .string(plan.base.tensors[index].name.string),
          "rank": .integer(block.rank),
        ])
      }
    }
  }

  var text: String {
    var lines =
      "\(merged.title); names: \(plan.match.substitution.description)\n\n"
    if let result {
      var table = Table([
        ("weight", .left), ("‖Δ‖", .right), ("unchanged", .right), ("realised error", .right),
      ])
      for figures in result.blocks {
        table.append([
          figures.weight.description, Format.number(figures.deltaNorm),
          Format.percent(figures.unchangedShare), Format.number(figures.realisedError),
        ])
      }
      lines += table.text + "\n"
    } else {
      var table = Table([("block", .left), ("weight", .left), ("rank", .right)])
      for (block, weight) in zip(plan.lora.blocks, plan.match.weights) {
        table.append([
          block.name.description, weight.map { plan.base.tensors[$0].name.description } ?? "-",
          "\(block.rank)",
        ])
      }
      lines += table.text + "\n"
    }
    let counts = "\(plan.foldedCount) tensors folded, \(plan.copiedCount) copied"
    guard result != nil else {
      return lines
        + "would write \(output.escapedForTerminal) (\(Format.bytes(fileSize))): \(counts); "
        + "peak memory \(Format.bytes(plan.peakMemory(threads: threads))); nothing was written\n"
    }
    return lines
      + "wrote \(output.escapedForTerminal) (\(Format.bytes(fileSize))): \(counts), verified, "
      + "\(Format.fixed(seconds, decimals: 2)) s\n"
  }
}
