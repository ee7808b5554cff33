import Adapters
import Merging
import Replaying

/// A merge to measure, and what is known of it.
struct VerifyCandidate {
  let candidate: ReplayCandidate
  var reason: String?
  var calibrationTokens: Int?
  /// What each block's fit says; empty for what was not merged here.
  var merges: [BlockMerge] = []
  var truncations: [TruncationLoss]?
  var warnings: [String] = []

  init(candidate: ReplayCandidate) { self.candidate = candidate }

  init(_ decision: Merge.Decision, of adapter: Adapter, calibrationTokens: Int?) throws {
    candidate = try ReplayCandidate(
      name: decision.method, lora: decision.lora, of: adapter, alpha: decision.blocks.map(\.alpha))
    reason = decision.reason
    merges = decision.blocks
    truncations = decision.truncations
    warnings = decision.warnings
    self.calibrationTokens = calibrationTokens
  }
}
