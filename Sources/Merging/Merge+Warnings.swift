internal import Activations
internal import Adapters
internal import Tensors

extension Merge {
  /// A line where captured inputs are given that a method makes no use of; none elsewhere.
  ///
  /// - Parameter cutsRanks: whether any rank is cut by them.
  package func warningsOfUnusedCalibration(
    _ method: any MergeMethod.Type, cutsRanks: Bool
  ) -> [String] {
    guard let calibration = inputs.calibration else { return [] }
    if !method.needsCalibration, !cutsRanks {
      return [
        "the calibration is not used: method \(method.name) is not fitted, and no rank is cut"
      ]
    }
    let takesPenalty = method == CalibratedMerge.self || method == AutomaticMerge.self
    return calibration.penalty == nil || takesPenalty
      ? [] : ["--penalty is for calibrated: method \(method.name) makes no use of it"]
  }

  /// What to know of a fit: captured inputs that nothing was fitted on, too few tokens, and blocks
  /// that it did not help.
  func calibrationWarnings(
    _ adapter: Adapter, _ method: any MergeMethod.Type, _ merges: [BlockMerge], cutsRanks: Bool
  ) -> [String] {
    let unused = warningsOfUnusedCalibration(method, cutsRanks: cutsRanks)
    guard unused.isEmpty else { return unused }
    let fitted = zip(adapter.blocks, merges).compactMap { block, merge in
      merge.fit.map { (block: block, fit: $0) }
    }
    guard let first = fitted.first?.fit else { return [] }
    var lines: [String] = []
    let features = fitted.map(\.block.inFeatures).max() ?? 0
    if first.tokens < features {
      lines.append(
        "fitted on \(first.tokens) tokens, fewer than the \(features) features of an input: the "
          + "fewer there are, the nearer the result is to the merge it is drawn towards; capture more"
      )
    }
    let left = fitted.filter {
      $0.fit.penalty == .infinity && $0.fit.prior != BlockFit.slopes
        && $0.fit.crossValidatedError ?? 0 > 0
    }
    let broken = fitted.filter { $0.fit.penalty == .infinity && $0.fit.crossValidatedError == nil }
    if !broken.isEmpty, inputs.calibration?.penalty == nil, first.tokens > 1 {
      lines.append(
        "\(broken.count) of \(fitted.count) blocks are not fitted, for numbers that are not finite: "
          + broken.listed { "'\($0.block.name)'" })
    }
    if !left.isEmpty {
      lines.append(
        "\(left.count) of \(fitted.count) blocks are left to the paper's merge: no fit did better on "
          + "tokens held out: " + left.listed { "'\($0.block.name)' (\($0.fit.prior))" })
    }
    let least = RidgeFit.penalties.last ?? 0
    let free = fitted.filter { $0.fit.penalty == least && $0.fit.crossValidatedError != nil }
    if !free.isEmpty {
      lines.append(
        "\(free.count) of \(fitted.count) blocks took the smallest penalty there is; a smaller --penalty "
          + "may do better: " + free.listed { "'\($0.block.name)'" })
    }
    return lines
  }
}
