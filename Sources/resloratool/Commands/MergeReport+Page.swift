import Adapters
import Merging
import Reports
import Tensors

extension MergeReport {
  /// The page about the merge.
  var page: MergeReportPage {
    MergeReportPage(
      adapter: ReportedAdapter(adapter, label: adapter.label), method: result.method,
      reason: result.reason, profile: result.profile.rawValue, output: output,
      byteCount: byteCount,
      blocks: zip(adapter.blocks, result.blocks).map { block, figures in
        MergeReportPage.Block(
          name: block.name.string, alpha: figures.alpha, rank: figures.rank,
          deltaNorm: figures.deltaNorm, norm: figures.norm, foldedNorm: figures.foldedNorm,
          cut: figures.truncation.map(ReportedCut.init),
          fit: ReportedFit(figures.fit, figures.trials))
      }, warnings: warnings)
  }
}

extension ReportedCut {
  init(_ loss: TruncationLoss) {
    self.init(error: loss.relativeError, plainError: loss.plainRelativeError)
  }
}

extension ReportedFit {
  /// What is known of a block's fit; nil where it was merged without captured inputs.
  init?(_ fit: BlockFit?, _ trials: [MergeTrial]) {
    guard fit != nil || !trials.isEmpty else { return nil }
    self.init(
      taken: trials.first(where: \.isTaken)?.method, prior: fit?.prior, penalty: fit?.penalty,
      expectedError: fit?.crossValidatedError, condition: fit?.condition)
  }
}
