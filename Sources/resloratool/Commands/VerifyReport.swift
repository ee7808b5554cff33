import Adapters
import ByteIO
import Merging
import Replaying
import Tensors

/// What `verify` tells of the merges it measured.
struct VerifyReport {
  let adapter: Adapter
  let path: String
  let activations: String
  let base: String?
  let measured: [(candidate: VerifyCandidate, result: ReplayResult)]
  let maxError: Double?
  let warnings: [String]
  let pagePath: String?
  /// What else there is to know, one line each.
  let notes: [String]

  /// Whether no block is above what was allowed.
  var passes: Bool { failing.isEmpty }

  /// The blocks above what was allowed, and the merges that put them there.
  private var failing: [(block: BlockReplay, method: String)] {
    guard let maxError else { return [] }
    return measured.flatMap { _, result in
      result.blocks.filter { !(error(of: $0) ?? .infinity <= maxError) }
        .map { ($0, result.name) }
    }
  }

  /// The error that counts: with folded weights that of merge and rounding together.
  private func error(of block: BlockReplay) -> Double? {
    block.storedError == nil ? block.deltaError : block.foldedError
  }

  var json: JSONValue {
    guard let first = measured.first else { preconditionFailure("nothing measured") }
    var all = object(first.candidate, first.result)
    all.append([
      "structure": .string(adapter.structure.rawValue),
      "activations": .string(activations),
      "methods": .array(measured.map { .object(object($0.candidate, $0.result)) }),
      "max_error": maxError.map(JSONValue.double),
      "passed": .bool(passes),
      "html": pagePath.map(JSONValue.string),
      "warnings": .array(warnings.map(JSONValue.string)),
      "notes": .array((adapter.notes + notes).map(JSONValue.string)),
    ])
    return .object(all)
  }

  private func object(_ candidate: VerifyCandidate, _ result: ReplayResult) -> JSONObject {
    JSONObject([
      "method": .string(result.name),
      "reason": candidate.reason.map(JSONValue.string),
      "calibration_tokens": candidate.calibrationTokens.map(JSONValue.integer),
      "tokens": .integer(result.tokens),
      "mean_delta_error": number(result.meanDeltaError),
      "mean_output_error": number(result.meanOutputError),
      "mean_stored_error": result.mean(\.storedError).map(JSONValue.double),
      "mean_folded_error": result.mean(\.foldedError).map(JSONValue.double),
      "worst_block": result.worstBlock.map { .string($0.name.string) } ?? .null,
      "blocks": .array(
        result.blocks.enumerated().map { position, block in
          var members = JSONObject([
            "name": .string(block.name.string),
            "delta_error": number(block.deltaError),
            "output_error": number(block.outputError),
            "max_token_error": number(block.maxTokenError),
            "cosine": number(block.cosine),
            "alpha": .array(block.alpha.map(JSONValue.double)),
            "oracle_alpha": number(block.oracleAlpha),
            "stored_error": block.storedError.map(JSONValue.double),
            "folded_error": block.foldedError.map(JSONValue.double),
          ])
          let merge = candidate.merges.isEmpty ? nil : candidate.merges[position]
          members.append(candidate.truncations?[position], merge?.fit, merge?.trials ?? [])
          return .object(members)
        }),
    ])
  }

  private func number(_ value: Double?) -> JSONValue { value.map(JSONValue.double) ?? .null }

  var text: String {
    let tokens = measured.first?.result.tokens ?? 0
    return notes.map { "note: \($0)\n" }.joined()
      + "\(tokens) tokens of \(activations.escapedForTerminal)\n\n"
      + (measured.count == 1 ? single(measured[0]) : means.text + "\n" + comparison.text)
      + (maxError == nil ? "" : verdict + "\n")
      + ReportOptions.text(pagePath, isDryRun: false)
  }

  /// What came of the check that was asked for, without a line's end.
  var verdict: String {
    guard let maxError else { return "" }
    return passes
      ? "no block is above \(Format.number(maxError))"
      : "above \(Format.number(maxError)): "
        + failing.listed { "\($0.block.name) (\(text(error(of: $0.block))), \($0.method))" }
  }

  private func single(_ entry: (candidate: VerifyCandidate, result: ReplayResult)) -> String {
    var table = Table([
      ("block", .left), ("delta error", .right), ("output error", .right),
      ("worst token", .right), ("cosine", .right), ("α", .left), ("best α", .right),
      ("stored error", .right), ("folded error", .right),
    ])
    for block in entry.result.blocks {
      table.append([
        block.name.description, text(block.deltaError), text(block.outputError, or: ""),
        text(block.maxTokenError), block.cosine.map(Format.number) ?? "-",
        block.alpha.map(Format.number).joined(separator: " "),
        block.oracleAlpha.map(Format.number) ?? "", text(block.storedError, or: ""),
        text(block.foldedError, or: ""),
      ])
    }
    let result = entry.result
    let reason = entry.candidate.reason.map { " (\($0))" } ?? ""
    let worst =
      result.worstBlock.map { ", worst \(text($0.deltaError)) at \($0.name)" } ?? ""
    return "method \(result.name.escapedForTerminal)\(reason)\n\n\(table.text)\n"
      + "mean delta error \(text(result.meanDeltaError))\(worst)\n"
  }

  /// One line for each merge.
  private var means: Table {
    var table = Table([
      ("method", .left), ("calibration tokens", .right), ("mean delta error", .right),
      ("mean output error", .right), ("worst delta error", .right), ("worst block", .left),
    ])
    for (candidate, result) in measured {
      table.append([
        result.name.escapedForTerminal, candidate.calibrationTokens.map { "\($0)" } ?? "",
        text(result.meanDeltaError), text(result.meanOutputError, or: ""),
        text(result.worstBlock?.deltaError), result.worstBlock?.name.description ?? "",
      ])
    }
    return table
  }

  /// The error of each block by each merge, of those that differ in calibration tokens alone the one
  /// with the most.
  private var comparison: Table {
    var shown: [(candidate: VerifyCandidate, result: ReplayResult)] = []
    for entry in measured {
      if let tokens = entry.candidate.calibrationTokens,
        let position = shown.firstIndex(where: {
          $0.result.name == entry.result.name && $0.candidate.calibrationTokens != nil
        })
      {
        if tokens > shown[position].candidate.calibrationTokens ?? 0 { shown[position] = entry }
      } else {
        shown.append(entry)
      }
    }
    var table = Table(
      [("delta error of block", .left)]
        + shown.map { ($0.result.name.escapedForTerminal, Table.Alignment.right) })
    for position in adapter.blocks.indices {
      table.append(
        [adapter.blocks[position].name.description]
          + shown.map { text($0.result.blocks[position].deltaError) })
    }
    return table
  }

  private func text(_ error: Double?, or none: String = "-") -> String {
    error.map(Format.error) ?? none
  }
}
