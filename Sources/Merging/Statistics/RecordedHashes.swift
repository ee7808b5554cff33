public import Adapters
internal import ByteIO
public import Tensors

extension Adapter {
  /// The blocks whose weight in `inputs.base` is not the one whose SHA-256 the adapter carries
  /// (Adapter §1.6); none where it carries none.
  ///
  /// Reads the weights of blocks that carry a hash, and no others.
  ///
  /// - Throws: `BaseMatchError` where not one block fits, errors of reading and of
  ///   `inputs.progress`.
  public func blocksOfOtherBase(_ inputs: MergeInputs) throws -> [TensorName] {
    guard let base = inputs.base, blocks.contains(where: { $0.base != nil }) else { return [] }
    let weights = try BaseMatch(
      blocks.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: true
    ).weights
    let differ = try Parallel.map(blocks.count, threads: inputs.threads) { position in
      guard let recorded = blocks[position].base, let weight = weights[position] else {
        return false
      }
      try inputs.progress(0, 0)
      let digest = try SHA256Hasher.digest(of: TensorReference(source: base, index: weight))
      return digest.hexadecimal != recorded.sha256
    }
    return zip(blocks, differ).filter { $1 }.map { $0.0.name }
  }
}
