internal import Tensors

/// A LoRA-family adapter: blocks, the links between them, and where it came from. Its factors stay
/// in their files until they are asked for.
public struct Adapter: Sendable {
  /// What to call the adapter in messages, usually its path.
  public let label: String
  /// The name of the format it was read from.
  public let format: String
  /// The blocks in module order.
  public let blocks: [Block]
  /// How they are linked.
  public let topology: Topology
  /// What the reader concluded and a user should know, one line each.
  public let notes: [String]

  /// Checks blocks and links against each other (Merging §3.2).
  ///
  /// - Throws: `AdapterError` that names the block at fault.
  public init(
    label: String, format: String, blocks: [Block], topology: Topology, notes: [String]
  ) throws(AdapterError) {
    guard !blocks.isEmpty else { throw .noBlocks(source: label) }
    var names: Set<TensorName> = []
    for block in blocks {
      guard names.insert(block.name).inserted else { throw .duplicateBlock(block.name) }
    }
    self.label = label
    self.format = format
    self.blocks = blocks
    self.topology = topology
    self.notes = notes
    try checkLinks()
  }

  /// The structure of the topology.
  public var structure: Structure { topology.structure }
  /// Number of elements of all factors.
  public var parameterCount: Int {
    blocks.reduce(0) { $0 + $1.rank * ($1.inFeatures + $1.outFeatures) }
  }
  /// Size of all stored factors in bytes.
  public var byteCount: Int { blocks.reduce(0) { $0 + $1.a.byteCount + $1.b.byteCount } }
  /// The files that hold the factors.
  public var files: [String] {
    Set(blocks.flatMap { ($0.a.pieces + $0.b.pieces).map(\.source.label) }).sorted()
  }
  /// Whether any block has norm windows.
  public var hasWindows: Bool { blocks.contains { !$0.windows.isEmpty } }

  /// Shapes along every link (Merging §3.2).
  ///
  /// Agreement with a predecessor is agreement with all before it, so only nearest ones are
  /// compared: a chain whose blocks all reach to its root costs no more than its length.
  private func checkLinks() throws(AdapterError) {
    for (position, block) in blocks.enumerated() {
      guard let predecessor = topology.previous[position].map({ blocks[$0] }) else { continue }
      func require(_ what: String, _ found: Int, _ expected: Int) throws(AdapterError) {
        guard found == expected else {
          throw .linkMismatch(
            block: block.name, predecessor: predecessor.name, what: what, found: found,
            expected: expected)
        }
      }
      switch structure {
      case .plain: continue
      case .inputShortcut: try require("in features", block.inFeatures, predecessor.inFeatures)
      case .blockShortcut:
        try require("in features", block.inFeatures, predecessor.inFeatures)
        try require("out features", block.outFeatures, predecessor.outFeatures)
      case .middleShortcut:
        guard topology.reach.limit > 0 else { continue }
        try require("in features", block.inFeatures, predecessor.inFeatures)
        try require("rank", block.rank, predecessor.rank)
        for (found, expected) in zip(block.a.ranks, predecessor.a.ranks) {
          try require("rank of a stacked pair", found, expected)
        }
      }
    }
  }
}
