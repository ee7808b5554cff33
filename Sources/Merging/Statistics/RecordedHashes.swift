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
    let recorded = zip(blocks, weights).map { block, weight in block.base == nil ? nil : weight }
    let found = try Adapter.digests(of: recorded, in: base, inputs)
    return zip(blocks, found).filter { block, digest in
      digest.map { $0 != block.base?.sha256 } ?? false
    }.map { $0.0.name }
  }

  /// A line about the blocks whose weight in `inputs.base` is another than the one recorded; none
  /// where there are none.
  ///
  /// - Throws: as `blocksOfOtherBase`.
  public func warningsOfOtherBase(_ inputs: MergeInputs) throws -> [String] {
    Adapter.warnings(ofOtherBase: try blocksOfOtherBase(inputs))
  }

  /// The line about such blocks; none where there are none.
  public static func warnings(ofOtherBase blocks: [TensorName]) -> [String] {
    if blocks.isEmpty { return [] }
    return [
      "\(blocks.count) base weights are not those whose SHA-256 the adapter carries; is this the "
        + "right base? Blocks: \(blocks.listed { "'\($0)'" })"
    ]
  }

  /// The SHA-256 of some weights of a base in hexadecimal; nil for those that are nil.
  static func digests(
    of weights: [Int?], in base: any TensorSource, _ inputs: MergeInputs
  ) throws -> [String?] {
    try Parallel.map(weights.count, threads: inputs.threads) { position in
      guard let weight = weights[position] else { return nil }
      try inputs.progress(0, 0)
      return try SHA256Hasher.digest(of: TensorReference(source: base, index: weight)).hexadecimal
    }
  }
}
