import Activations
import Adapters
import ArgumentParser
import FoldJobs
import Merging
import Replaying
import Tensors

extension VerifyCommand {
  /// What is known of the merges only once they are made: how far fits are to be trusted, and whether
  /// they are measured on what they were fitted to.
  func warningsOfMeasuring(
    _ candidates: [VerifyCandidate], _ captured: CapturedInputs, _ calibrations: [Calibration],
    _ folded: FoldBase?
  ) throws -> [String] {
    let fitted = calibrations.map(\.inputs).filter { inputs in
      candidates.contains { $0.calibrationTokens == inputs.tokens }
    }
    var lines = candidates.flatMap(\.warnings).uniqued
    lines += try overlap(captured, fitted)
    if !calibrations.isEmpty, fitted.isEmpty {
      lines.append("the calibration is not used: no merge measured is fitted, and no rank is cut")
    }
    return lines + otherMethod(folded, candidates)
  }

  /// What to say of blocks that were not measured, or of which there was nothing to measure.
  func warningsOfResults(_ results: [ReplayResult]) -> [String] {
    guard let first = results.first else { return [] }
    var lines: [String] = []
    let silent = first.blocks.filter { $0.referenceNorm == 0 }
    if !silent.isEmpty {
      lines.append(
        "\(silent.count) of \(first.blocks.count) blocks add nothing to these inputs, which says nothing of "
          + "a merge: " + silent.listed { "'\($0.name)'" } + "; are the activations right?")
    }
    for result in results {
      let lost = result.blocks.filter { $0.deltaError == nil }
      guard !lost.isEmpty else { continue }
      lines.append(
        "\(lost.count) of \(result.blocks.count) blocks have no error by \(result.name.escapedForTerminal), "
          + "and means leave them out: " + lost.listed { "'\($0.name)'" })
    }
    return lines
  }

  /// What to say where tokens that are measured on were fitted on.
  private func overlap(
    _ captured: CapturedInputs, _ fitted: [CapturedInputs]
  ) throws -> [String] {
    guard let most = fitted.max(by: { $0.tokens < $1.tokens }) else { return [] }
    let shared = try captured.tokens(sharedWith: most) { try Interruption.check() }
    guard shared > 0 else { return [] }
    return [
      "\(shared) of the \(captured.tokens) tokens measured on \(shared == 1 ? "is" : "are") among those "
        + "fitted on: errors of fitted merges are too small; measure on tokens of other texts"
    ]
  }

  /// What to say where a checkpoint was folded by another method than the one measured.
  private func otherMethod(_ folded: FoldBase?, _ candidates: [VerifyCandidate]) -> [String] {
    guard let folded, !methods.isEmpty, let name = candidates.first?.candidate.name,
      !folded.foldedMethods.isEmpty, !folded.foldedMethods.contains(name)
    else { return [] }
    return [
      "\(folded.path.escapedForTerminal) was folded by method "
        + folded.foldedMethods.listed { $0.escapedForTerminal }
        + ", as its metadata say: what is measured as rounding is the difference to \(name) as well"
    ]
  }

  /// The merges to measure, in the order in which they were asked for: methods, each for every
  /// number of calibration tokens where it depends on them, then merged adapters.
  func candidates(
    _ adapter: Adapter, _ inputs: MergeInputs, _ calibrations: [Calibration],
    _ folded: [String]
  ) throws -> [VerifyCandidate] {
    let bars = MergeBars(common)
    defer { bars.finish() }
    var inputs = inputs
    inputs.progress = { try bars.reading.update($0, of: $1) }
    inputs.fitProgress = { try bars.fitting.update($0, of: $1) }
    var found: [VerifyCandidate] = []
    var requested: [String?] = methods.isEmpty && merged.isEmpty ? [nil] : methods
    // What was folded by one method is measured against it.
    if requested == [nil], folded.count == 1,
      MergeMethods.all.contains(where: { $0.name == folded[0] })
    {
      requested = folded
    }
    for method in requested.uniqued {
      let (chosen, _) = try MergeMethods.choose(
        method, for: adapter, hasBase: inputs.base != nil, hasCalibration: !calibrations.isEmpty,
        profile: settings.compat)
      let isFitted = chosen.needsCalibration || settings.truncation != nil
      for calibration in isFitted && !calibrations.isEmpty ? calibrations.map(Optional.some) : [nil]
      {
        inputs.calibration = calibration
        if inputs.paper == nil, chosen.needsCalibration {
          inputs.paper = try PaperMerge(adapter, inputs)
        }
        let merge = Merge(method: method, inputs: inputs, truncation: settings.truncation)
        found.append(
          try VerifyCandidate(
            merge.decide(adapter), of: adapter, calibrationTokens: calibration?.inputs.tokens))
      }
    }
    for path in merged {
      let other = try Adapter(path: path, hdf5: .isolated)
      guard other.structure == .plain else {
        throw ValidationError("--merged takes a plain LoRA, and \(path) has shortcuts")
      }
      let decision = try Merge(
        method: "none", inputs: MergeInputs(allowsNonFinite: nonFinite.isAllowed)
      ).decide(other)
      found.append(
        VerifyCandidate(
          candidate: try ReplayCandidate(name: path, lora: decision.lora, of: adapter)))
    }
    return found
  }
}
