import Adapters
import Merging
import Replaying
import Reports
import Tensors

extension VerifyReport {
  /// The page about the replay.
  var page: VerifyReportPage {
    VerifyReportPage(
      adapter: ReportedAdapter(adapter, label: path), activations: activations,
      tokens: measured.first?.result.tokens ?? 0, base: base,
      methods: measured.map { candidate, result in
        VerifyReportPage.Method(
          name: result.name, reason: candidate.reason,
          calibrationTokens: candidate.calibrationTokens,
          // A page leaves out what is no number.
          meanDeltaError: result.meanDeltaError ?? .nan, meanOutputError: result.meanOutputError,
          meanStoredError: result.mean(\.storedError), meanFoldedError: result.mean(\.foldedError),
          worstBlock: result.worstBlock?.name.string ?? "",
          blocks: result.blocks.enumerated().map { position, block in
            let merge = candidate.merges.isEmpty ? nil : candidate.merges[position]
            return VerifyReportPage.Block(
              name: block.name.string, deltaError: block.deltaError ?? .nan,
              outputError: block.outputError, maxTokenError: block.maxTokenError ?? .nan,
              cosine: block.cosine ?? .nan, alpha: block.alpha, oracleAlpha: block.oracleAlpha,
              storedError: block.storedError, foldedError: block.foldedError,
              cut: (candidate.truncations?[position]).map(ReportedCut.init),
              fit: ReportedFit(merge?.fit, merge?.trials ?? []))
          })
      }, warnings: (passes ? [] : ["check failed: \(verdict)"]) + warnings)
  }
}
