import Adapters
import FoldJobs
import Folding
import Reports
import Tensors

extension FoldCommandReport {
  /// The page about the fold; nil before there is a result.
  var page: FoldReportPage? {
    guard let result else { return nil }
    return FoldReportPage(
      adapters: job.adapters.map { adapter in
        let isPlain = adapter.structure == .plain
        let kind =
          isPlain
          ? adapter.kinds.joined(separator: ", ")
          : "\(adapter.structure.title) (\(adapter.structure.rawValue))"
        return FoldReportPage.FoldedAdapter(
          label: adapter.path, kind: "\(adapter.format), \(kind)",
          method: isPlain && adapter.method == "none" ? nil : adapter.method,
          weight: adapter.weight)
      }, base: job.request.base, output: job.request.output, files: job.files,
      weights: result.report.blocks.map { figures in
        FoldReportPage.Weight(
          name: figures.block.string, weight: figures.weight.string,
          deltaNorm: figures.deltaNorm, unchangedShare: figures.unchangedShare,
          realisedError: figures.realisedError)
      }, changedCount: job.plan.foldedCount, copiedCount: job.plan.copiedCount,
      byteCount: result.bytesWritten, seconds: seconds, warnings: job.warnings + warnings,
      notes: job.notes(isInPlace: isInPlace))
  }
}
