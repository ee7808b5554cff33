internal import Adapters
internal import ByteIO
internal import Safetensors
internal import Tensors

/// The base of a merge, and which shard of it holds each block's weight.
struct BaseShards: Sendable {
  /// The tensors, shard by shard.
  let source: any FileBackedTensorSource
  /// The files in the order of the source's tensors.
  let shards: [SafetensorsFile]
  /// What is odd but harmless, one line each.
  let warnings: [String]
  /// Each block's weight, by its position in `source`.
  private let weights: [Int]

  /// Opens a base and finds the weights of an adapter's blocks.
  ///
  /// - Throws: `AdapterError.notACheckpoint`, `BaseMatchError`, errors of the formats.
  init(path: String, for adapter: Adapter) throws {
    let opened = try BaseCheckpoint(path: path)
    source = opened.source
    warnings = opened.warnings
    shards =
      (opened.source as? ShardedCheckpoint)?.shards
      ?? [opened.source as? SafetensorsFile].compactMap { $0 }
    weights = try BaseMatch(
      adapter.blocks.map(BaseMatch.Wanted.init), in: opened.source, allowingUnmatched: false
    ).weights.compactMap { $0 }
  }

  /// Each block's weight where it lies in a shard; nil elsewhere.
  func weights(in shard: Int) -> [Int?] {
    let first = shards[..<shard].reduce(0) { $0 + $1.tensors.count }
    let range = first..<(first + shards[shard].tensors.count)
    return weights.map { range.contains($0) ? $0 : nil }
  }

  /// The bytes of the weights of some blocks.
  func byteCount(of blocks: some Sequence<Int>) -> Int {
    blocks.reduce(0) { $0 + source.tensors[weights[$1]].byteCount }
  }
}
