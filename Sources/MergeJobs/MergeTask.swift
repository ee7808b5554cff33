/// A task of a merge: it depends on none of its own stage, and can run on any machine that sees the
/// files (Replay §9).
public struct MergeTask: Sendable, Equatable {
  /// What a task does; stages follow one another in this order.
  public enum Kind: String, Sendable, CaseIterable {
    /// Measures the adapted weights of a shard of the base, for the paper's merge by weights.
    case statistics
    /// Puts the statistics of all shards together.
    case combine
    /// Adds up the tokens of one fold for one matrix of inputs.
    case gram
    /// Fits the blocks of one matrix of inputs.
    case fit
    /// Writes the merged adapter.
    case finish
  }

  /// What it does.
  public let kind: Kind
  /// What it is about: a file of the base, a matrix of inputs, or the output.
  public let name: String
  /// Bytes that it reads of base, captured inputs and results of other tasks, about.
  public let bytesRead: Int
  /// Bytes that it writes, about.
  public let bytesWritten: Int

  /// The shard of the base, or the group of blocks.
  let index: Int
  /// The fold of a gram task.
  let fold: Int

  init(
    _ kind: Kind, _ name: String, index: Int = 0, fold: Int = 0, bytesRead: Int, bytesWritten: Int
  ) {
    self.kind = kind
    self.name = name
    self.index = index
    self.fold = fold
    self.bytesRead = bytesRead
    self.bytesWritten = bytesWritten
  }

  /// The name of the file that it leaves in the work folder; nil for the last, which leaves none.
  var fileName: String? {
    switch kind {
    case .statistics: "statistics-\(index).safetensors"
    case .combine: "statistics.safetensors"
    case .gram: "gram-\(index)-\(fold).safetensors"
    case .fit: "fit-\(index).safetensors"
    case .finish: nil
    }
  }
}
