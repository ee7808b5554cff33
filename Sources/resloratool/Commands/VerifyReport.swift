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
  let measured: [(candidate: VerifyCandidate, result: ReplayResult)]
  let maxError: Double?
  let warnings: [String]

  /// Whether no block is above what was allowed; an error that is not defined is.
  var passes: Bool {
    guard let maxError else { return true }
    return measured.allSatisfy { _, result in
      result.blocks.allSatisfy { ($0.foldedError ?? $0.deltaError ?? .infinity) <= maxError }
    }
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
      "warnings": .array(warnings.map(JSONValue.string)),
      "notes": .array(adapter.notes.map(JSONValue.string)),
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
        result.blocks.map { block in
          .members([
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
        }),
    ])
  }

  private func number(_ value: Double?) -> JSONValue { value.map(JSONValue.double) ?? .null }

  var text: String {
    let tokens = measured.first?.result.tokens ?? 0
    return "\(tokens) tokens of \(activations.escapedForTerminal)\n\n"
      + (measured.count == 1 ? single(measured[0]) : comparison)
  }

  private func single(_ entry: (candidate: VerifyCandidate, result: ReplayResult)) -> String {
    var table = Table([
      ("block", .left), ("delta error", .right), ("output error", .right),
      ("worst token", .right), ("cosine", .right), ("α", .left), ("best α", .right),
      ("stored error", .right), ("folded error", .right),
    ])
    func text(_ value: Double?) -> String { value.map(Format.number) ?? "" }
    for block in entry.result.blocks {
      table.append([
        block.name.description, text(block.deltaError), text(block.outputError),
        text(block.maxTokenError), text(block.cosine),
        block.alpha.map(Format.number).joined(separator: " "), text(block.oracleAlpha),
        text(block.storedError), text(block.foldedError),
      ])
    }
    return "\(title(entry.candidate, entry.result))\n\n\(table.text)\n\(summary(entry.result))\n"
  }

  private func title(_ candidate: VerifyCandidate, _ result: ReplayResult) -> String {
    "method \(result.name)" + (candidate.reason.map { " (\($0))" } ?? "")
  }

  private func summary(_ result: ReplayResult) -> String {
    let worst = result.worstBlock.map { block in
      ", worst \(Format.number(block.deltaError ?? 0)) at \(block.name)"
    }
    return "mean delta error \(result.meanDeltaError.map(Format.number) ?? "undefined")"
      + (worst ?? "")
  }

  private var comparison: String {
    var means = Table([
      ("method", .left), ("calibration tokens", .right), ("mean delta error", .right),
      ("mean output error", .right), ("worst delta error", .right), ("worst block", .left),
    ])
    for (candidate, result) in measured {
      means.append([
        result.name.escapedForTerminal, candidate.calibrationTokens.map { "\($0)" } ?? "",
        result.meanDeltaError.map(Format.number) ?? "-",
        result.meanOutputError.map(Format.number) ?? "",
        result.worstBlock?.deltaError.map(Format.number) ?? "-",
        result.worstBlock?.name.description ?? "",
      ])
    }
    var blocks = Table(
      [("delta error of block", .left)]
        + measured.map { candidate, result in
          (
            result.name.escapedForTerminal
              + (candidate.calibrationTokens.map { " \($0)" } ?? ""), Table.Alignment.right
          )
        })
    for position in adapter.blocks.indices {
      blocks.append(
        [adapter.blocks[position].name.description]
          + measured.map { $0.result.blocks[position].deltaError.map(Format.number) ?? "-" })
    }
    return means.text + "\n" + blocks.text
  }
}
