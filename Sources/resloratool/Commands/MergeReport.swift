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
  /// What the user should not overlook, one line each.
  var warnings: [String] = []
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
          var members = JSONObject([
            "name": .string(block.name.string),
            "alpha": .array(figures.alpha.map(JSONValue.double)),
            "rank": .integer(figures.rank),
            "delta_norm": .double(figures.deltaNorm),
            "folded_norm": figures.foldedNorm.map(JSONValue.double),
            "norm": figures.norm.map(JSONValue.double),
          ])
          members.append(figures.truncation, figures.fit, figures.trials)
          return .object(members)
        }),
      "warnings": .array(warnings.map(JSONValue.string)),
      "html": pagePath.map(JSONValue.string),
      "notes": .array(adapter.notes.map(JSONValue.string)),
    ])
  }

  var text: String {
    var table = Table([
      ("block", .left), ("α", .left), ("rank", .right), ("f", .right), ("‖Δ‖", .right),
      ("‖W + Δ‖", .right), ("rank error", .right), ("by plain SVD", .right), ("method", .left),
      ("towards", .left), ("c", .right), ("expected error", .right), ("condition", .right),
    ])
    for (block, figures) in zip(adapter.blocks, result.blocks) {
      table.append([
        block.name.description, figures.alpha.map(Format.number).joined(separator: " "),
        "\(figures.rank)", figures.norm.map(Format.number) ?? "", Format.number(figures.deltaNorm),
        figures.foldedNorm.map(Format.number) ?? "",
        (figures.truncation?.relativeError).map(Format.number) ?? "",
        (figures.truncation?.plainRelativeError).map(Format.number) ?? "",
        figures.trials.first(where: \.isTaken)?.method ?? "",
        figures.fit?.prior ?? "",
        (figures.fit?.penalty).map { $0.isFinite ? Format.number($0) : "∞" } ?? "",
        (figures.fit?.crossValidatedError).map(Format.number) ?? "",
        (figures.fit?.condition).map(Format.number) ?? "",
      ])
    }
    let fits = result.blocks.compactMap(\.fit)
    let fitted =
      fits.first.map { fit in
        "fitted on \(fit.tokens) tokens, drawn by c to the merge named (Replay §4.2); "
          + (fit.crossValidatedError == nil ? "" : "c and the expected error by cross-validation; ")
          + "condition at most\n"
      } ?? ""
    let end =
      isDryRun
      ? "would write \(output.escapedForTerminal) (\(Format.bytes(byteCount))); nothing was written"
      : "wrote \(output.escapedForTerminal) (\(Format.bytes(byteCount)))"
    return "\(result.title)\n\n\(table.text)\n\(fitted)\(trials)\(end)\n"
      + ReportOptions.text(pagePath, isDryRun: isDryRun)
  }
}

extension MergeReport {
  /// What the methods that were tried would have cost, where several were.
  private var trials: String {
    guard let methods = result.blocks.first?.trials.map(\.method), !methods.isEmpty else {
      return ""
    }
    var table = Table(
      [("error on tokens held back", .left)]
        + methods.map { ($0, Table.Alignment.right) } + [("taken", .left)])
    for (block, figures) in zip(adapter.blocks, result.blocks) {
      table.append(
        [block.name.description]
          + figures.trials.map { $0.deltaError.map(Format.error) ?? "-" }
          + [figures.trials.first(where: \.isTaken)?.method ?? ""])
    }
    return "\n\(table.text)\n"
  }
}

extension JSONObject {
  /// Adds how a block was cut and fitted, as `merge` and `verify` print it.
  mutating func append(_ cut: TruncationLoss?, _ fit: BlockFit?, _ trials: [MergeTrial]) {
    append([
      "truncation_error": (cut?.relativeError).map(JSONValue.double),
      "svd_truncation_error": (cut?.plainRelativeError).map(JSONValue.double),
      "fit": fit?.json,
      "trials": trials.isEmpty ? nil : .array(trials.map(\.json)),
    ])
  }
}

extension BlockFit {
  /// As `merge` and `verify` print it; an infinite λ is null.
  var json: JSONValue {
    .members([
      "tokens": .integer(tokens),
      "prior": .string(prior),
      "c": .double(penalty),
      "lambda": .double(lambda),
      "cross_validated_error": crossValidatedError.map(JSONValue.double) ?? .null,
      "condition": condition.map(JSONValue.double) ?? .null,
    ])
  }
}

extension MergeTrial {
  var json: JSONValue {
    .members([
      "method": .string(method),
      "delta_error": deltaError.map(JSONValue.double) ?? .null,
      "taken": .bool(isTaken),
    ])
  }
}

extension Merge.Result {
  /// The method in words, and why where it is not the one asked for.
  var title: String {
    let published = profile == .lmops ? " as the published code computes it" : ""
    return "method \(method)\(published)" + (reason.map { " (\($0))" } ?? "")
  }
}
