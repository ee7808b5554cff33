import Adapters
import Merging
import Reports
import Tensors

extension MergeReport {
  /// The page about the merge.
  func page(warnings: [String]) -> MergeReportPage {
    MergeReportPage(
      adapter: ReportedAdapter(adapter, label: adapter.label), method: result.method,
      reason: result.reason, profile: result.profile.rawValue, output: output,
      byteCount: byteCount,
      blocks: zip(adapter.blocks, result.blocks).map { block, figures in
        MergeReportPage.Block(
          name: block.name.string, alpha: figures.alpha, rank: figures.rank,
          deltaNorm: figures.deltaNorm, norm: figures.norm, foldedNorm: figures.foldedNorm,
          truncationError: figures.truncation?.relativeError)
      }, warnings: warnings)
  }
}
