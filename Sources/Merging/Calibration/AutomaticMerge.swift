internal import Activations
public import Adapters
internal import Replaying
internal import Tensors

/// What one method would have cost a block, measured on tokens that it was not fitted on.
public struct MergeTrial: Sendable, Equatable {
  /// The method.
  public let method: String
  /// Its delta error on the tokens held back (Replay §3); nil where that is not defined.
  public let deltaError: Double?
  /// Whether it was taken.
  public var isTaken = false
}

/// `auto`: every method that the inputs allow, tried on tokens held back; the best for each block
/// (Replay §4.5).
public enum AutomaticMerge: MergeMethod {
  /// The name on the command line.
  public static let name = "auto"
  /// What it does.
  public static let summary = "try all on captured inputs held back, take the best for each block"
  /// It does: a shortcut from another input.
  public static let estimates = true
  /// It is.
  public static let needsCalibration = true

  /// Takes the best method for each block, fitted again on all tokens.
  ///
  /// - Throws: `MergeError`, `CaptureError`, `LinearAlgebraError`, errors of reading.
  public static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    let calibration = try inputs.calibration(for: adapter, name)
    let tokens = calibration.inputs.tokens
    let held = (tokens + 4) / 5
    guard held < tokens else {
      throw MergeError.tooFewTokens(
        source: calibration.inputs.label, found: tokens, expected: 2)
    }
    var inputs = inputs
    inputs.paper = try inputs.paper ?? PaperMerge(adapter, inputs)
    var fitting = inputs
    fitting.calibration = calibration.taking(0..<(tokens - held))
    let methods = methods(adapter, inputs)
    let tried = try methods.map { method in
      if let paper = inputs.paper, paper.method == method.name { return paper.merges }
      return try method.merge(adapter, fitting)
    }
    var replay = Replay(
      adapter: adapter, inputs: calibration.inputs.taking((tokens - held)..<tokens))
    replay.allowsNonFinite = inputs.allowsNonFinite
    replay.threads = inputs.threads
    replay.progress = { [progress = inputs.progress] _, _ in try progress(0, 0) }
    let results = try replay.run(
      zip(methods, tried).map { method, merges in
        try ReplayCandidate(
          name: method.name,
          lora: MergedLoRA(adapter, merges, allowsNonFinite: inputs.allowsNonFinite), of: adapter)
      })
    // What does not depend on captured inputs is known already.
    let merged = try zip(methods, tried).map { method, merges in
      method.needsCalibration ? try method.merge(adapter, inputs) : merges
    }
    return adapter.blocks.indices.map { block in
      var trials = zip(methods, results).map {
        MergeTrial(method: $0.name, deltaError: $1.blocks[block].deltaError)
      }
      let errors = trials.map { $0.deltaError.map { $0.isNaN ? .infinity : $0 } ?? .infinity }
      let least = errors.min() ?? .infinity
      // Nearly equal ones are those that only rounding tells apart. Where the tokens held back say
      // nothing, the last method has most to go by.
      let best = least.isFinite ? errors.firstIndex { $0 <= least + 1e-9 } : nil
      let taken = best ?? trials.count - 1
      trials[taken].isTaken = true
      return merged[taken][block].with(trials)
    }
  }

  /// The methods that the inputs allow, in the order in which equal ones are taken.
  private static func methods(
    _ adapter: Adapter, _ inputs: MergeInputs
  ) -> [any MergeMethod.Type] {
    MergeMethods.all.filter { method in
      if method == InputBasedMerge.self {
        return (try? InputBasedMerge.merge(adapter, inputs)) != nil
      }
      if method == WeightBasedMerge.self {
        return inputs.base != nil || BaseStatistics.areStored(with: adapter)
      }
      return method != AutomaticMerge.self && method != ExactMerge.self
    }
  }
}

extension BlockMerge {
  /// The same with what was tried.
  fileprivate func with(_ trials: [MergeTrial]) -> BlockMerge {
    BlockMerge(
      combination, alpha: alpha, norm: norm, foldedNorm: foldedNorm, fit: fit, trials: trials)
  }
}
