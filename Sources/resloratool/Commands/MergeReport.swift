import Adapters
import ByteIO
import Merging
import Tensors

/// What `merge` tells of its result.
struct MergeReport {
  let adapter: Adapter
  let result: Merge.Result
  let output: String
  /// The size of the tensors written.
  let byteCount: Int
  /// The page about the result, where one is written.
  var pagePath: String?
  private let isDryRun: Bool

  init(
    _ adapter: Adapter, _ result: Merge.Result, output: String, byteCount: Int, isDryRun: Bool
  ) {
    self.adapter = adapter
    self.result = result
    self.output = output
    self.byteCount = byteCount
    self.isDryRun = isDryRun
  }

  var json: JSONValue {
    .members([
      "method": .string(result.method),
      "reason": result.reason.map(JSONValue.string),
      "compat": .string(result.profile.rawValue),
      "structure": .string(adapter.structure.rawValue),
      "output": .string(output),
      "dry_run": .bool(isDryRun),
      "bytes": .integer(byteCount),
      "blocks": .array(
        zip(adapter.blocks, result.blocks).map { block, figures in
          .members([
            "name": .string(block.name.string),
            "alpha": .array(figures.alpha.map(JSONValue.double)),
            "rank": .integer(figures.rank),
            "delta_norm": .double(figures.deltaNorm),
            "folded_norm": figures.foldedNorm.map(JSONValue.double),
            "norm": figures.norm.map(JSONValue.double),
            "truncation_error": figures.truncationError.map(JSONValue.double),
          ])
        }),
      "html": pagePath.map(JSONValue.string),
      "notes": .array(adapter.notes.map(JSONValue.string)),
    ])
  }

  var text: String {
    var table = Table([
      ("block", .left), ("α", .left), ("rank", .right), ("f", .right), ("‖Δ‖", .right),
      ("‖W + Δ‖", .right), ("rank error", .right),
    ])
    for (block, figures) in zip(adapter.blocks, result.blocks) {
      table.append([
        block.name.description, figures.alpha.map(Format.number).joined(separator: " "),
        "\(figures.rank)", figures.norm.map(Format.number) ?? "", Format.number(figures.deltaNorm),
        figures.foldedNorm.map(Format.number) ?? "",
        figures.truncationError.map(Format.number) ?? "",
      ])
    }
    let end =
      isDryRun
      ? "would write \(output.escapedForTerminal) (\(Format.bytes(byteCount))); nothing was written"
      : "wrote \(output.escapedForTerminal) (\(Format.bytes(byteCount)))"
    return "\(result.title)\n\n\(table.text)\n\(end)\n"
      + ReportOptions.text(pagePath, isDryRun: isDryRun)
  }
}

extension Merge.Result {
  /// The method in words, and why where it is not the one asked for.
  var title: String {
    let published = profile == .lmops ? " as the published code computes it" : ""
    return "method \(method)\(published)" + (reason.map { " (\($0))" } ?? "")
  }
}
