public import Adapters
package import Tensors

/// The rows of captured inputs that some blocks are replayed or fitted on (Replay §1): which matrix
/// is each block's input, and which tokens of it are taken.
public struct CapturedInputs: Sendable {
  /// What to call the activations in messages.
  public let label: String
  /// The matrices, [tokens, features] each.
  package let matrices: any TensorSource
  /// Each block's matrix, by its position in `matrices`.
  package let matrixOfBlock: [Int]
  /// The tokens taken.
  public let rows: Range<Int>

  /// The blocks of the file that are not asked for.
  public let unusedBlocks: Int

  /// The number of tokens taken.
  public var tokens: Int { rows.count }

  /// Finds the inputs of an adapter's blocks.
  ///
  /// - Parameter tokens: how many tokens are taken, the first of the file; nil takes all.
  /// - Throws: `CaptureError`.
  public init(_ file: ActivationFile, for adapter: Adapter, tokens: Int? = nil)
    throws(CaptureError)
  {
    try self.init(file, blocks: adapter.blocks.map { ($0.name, $0.inFeatures) }, tokens: tokens)
  }

  /// Finds the inputs of named blocks. Names are reconciled as those of base weights are
  /// (Merging §6.3).
  ///
  /// - Throws: `CaptureError`.
  package init(
    _ file: ActivationFile, blocks: [(name: TensorName, inFeatures: Int)], tokens: Int?
  ) throws(CaptureError) {
    let label = file.label
    guard file.tokens > 0 else { throw .noTokens(source: label) }
    let count = tokens ?? file.tokens
    guard count <= file.tokens else {
      throw .tooFewTokens(source: label, found: file.tokens, asked: count)
    }
    let known = Dictionary(file.inputs.map { ($0.block, $0.matrix) }) { first, _ in first }
    let found = BaseMatch.positions(of: blocks.map(\.name), in: known)
    let missing = zip(blocks, found).filter { $1 == nil }.map(\.0.name)
    guard missing.isEmpty else {
      let names = file.inputs.map(\.block)
      throw .missingBlocks(
        source: label, blocks: missing,
        nearest: NameDistance.nearest(to: missing[0], among: names))
    }
    matrixOfBlock = found.compactMap { $0 }
    for (block, matrix) in zip(blocks, matrixOfBlock) {
      let info = file.matrices.tensors[matrix]
      guard info.shape[1] == block.inFeatures else {
        throw .wrongWidth(
          source: label, block: block.name, matrix: info.name, found: info.shape[1],
          expected: block.inFeatures)
      }
    }
    self.label = label
    matrices = file.matrices
    rows = 0..<count
    unusedBlocks = file.inputs.count - blocks.count
  }

  private init(_ other: CapturedInputs, rows: Range<Int>) {
    label = other.label
    matrices = other.matrices
    matrixOfBlock = other.matrixOfBlock
    unusedBlocks = other.unusedBlocks
    self.rows = rows
  }

  /// The same for some of the tokens taken, counted from the first of them.
  package func taking(_ range: Range<Int>) -> CapturedInputs {
    precondition(range.upperBound <= tokens)
    return CapturedInputs(
      self, rows: (rows.lowerBound + range.lowerBound)..<(rows.lowerBound + range.upperBound))
  }

  /// Some of the blocks by their matrix of inputs, in the order of the file's matrices.
  package func byMatrix(_ blocks: [Int]) -> [(matrix: Int, blocks: [Int])] {
    Dictionary(grouping: blocks) { matrixOfBlock[$0] }.sorted { $0.key < $1.key }
      .map { ($0.key, $0.value) }
  }

  /// The number of features of a matrix.
  package func features(of matrix: Int) -> Int { matrices.tensors[matrix].shape[1] }
}
