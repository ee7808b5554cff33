public import Adapters
public import Tensors

/// What a fold will do, decided from headers before the first byte is written.
public struct FoldPlan: Sendable {
  /// The base weights.
  public let base: any TensorSource
  /// The LoRA to fold in.
  public let lora: any PlainLoRA
  /// Which weight belongs to which block.
  public let match: BaseMatch
  /// The tensors of the output, in the order of the base's.
  public let output: [TensorInfo]
  /// The position of the block that each of the base's tensors gets; nil for the others.
  public let blocks: [Int?]

  let tasks: [FoldTask]

  /// The most bytes of a weight that one task works on, unless a single row has more.
  static let tileBytes = 1 << 20
  /// The most bytes that are read, computed, written and read back in one go, unless a single row
  /// has more: with what the system keeps of them they fit the second-level cache.
  static let stripBytes = 256 << 10
  /// The most bytes that one task copies.
  static let copyBytes = 4 << 20

  /// Matches blocks and weights and splits the work into tasks.
  ///
  /// - Parameter dtype: the dtype of the output's tensors; nil keeps those of the base.
  /// - Throws: `BaseMatchError` that lists every block at fault.
  public init(
    base: any TensorSource, lora: any PlainLoRA, dtype: DType?, allowingUnmatched: Bool
  ) throws {
    let match = try BaseMatch(
      lora.blocks.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: allowingUnmatched)
    var blocks = [Int?](repeating: nil, count: base.tensors.count)
    for (block, weight) in match.weights.enumerated() {
      if let weight { blocks[weight] = block }
    }
    let output = try base.tensors.map { info in
      guard let dtype, info.dtype.isArithmetic else { return info }
      return try info.converted(to: dtype)
    }
    self.base = base
    self.lora = lora
    self.match = match
    self.output = output
    self.blocks = blocks
    tasks = base.tensors.indices.flatMap {
      FoldTask.tasks(tensor: $0, base.tensors[$0], output[$0].dtype, block: blocks[$0])
    }
  }

  /// Number of tensors that get a block.
  public var foldedCount: Int { match.matchedCount }
  /// Number of tensors that are copied or converted.
  public var copiedCount: Int { base.tensors.count - foldedCount }
  /// Blocks that were left out, having no weight.
  public var unmatchedBlocks: [TensorName] {
    zip(lora.blocks, match.weights).filter { $1 == nil }.map(\.0.name)
  }

  /// The most working memory in bytes that running the plan takes: tiles of every thread, and the
  /// factors of the blocks that can be in work at once.
  public func peakMemory(threads: Int) -> Int {
    let tile =
      tasks.map { $0.workingBytes(base.tensors[$0.tensor], output[$0.tensor].dtype) }.max() ?? 0
    let factors = lora.blocks.map { $0.rank * ($0.inFeatures + $0.outFeatures) * 8 }
    // A thread at the end of one block's tiles and one at the start of the next; each factor exists
    // once as read and once as operand.
    return threads * tile + 2 * (threads + 1) * (factors.max() ?? 0)
  }
}
