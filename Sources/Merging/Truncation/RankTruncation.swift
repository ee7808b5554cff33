internal import Adapters
internal import ByteIO
internal import Tensors

/// How far the rank of a merged LoRA is cut (Merging §4.9).
public enum RankTruncation: Sendable, Equatable {
  /// At most this rank in every block.
  case rank(Int)
  /// The smallest rank that keeps this share of `‖Δ‖²`, between 0 and 1.
  case energy(Double)

  /// How many of the singular values stay, at least one.
  func keptCount(_ sigma: [Double]) -> Int {
    switch self {
    case .rank(let rank): return max(1, min(rank, sigma.count))
    case .energy(let share):
      let total = sigma.reduce(0) { $0 + $1 * $1 }
      var kept = 0.0
      for (position, value) in sigma.enumerated() {
        kept += value * value
        if kept >= share * total { return position + 1 }
      }
      return max(1, sigma.count)
    }
  }
}
