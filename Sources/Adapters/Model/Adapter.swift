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
  /// Where it comes from and what its file carries along.
  public let provenance: Provenance
  /// What its file says of itself, for people: how it is compressed, its identity.
  public let details: [(name: String, value: String)]
  /// What the reader concluded and a user should know, one line each.
  public let notes: [String]

  /// Checks blocks and links against each other (Merging §3.2).
  ///
  /// - Throws: `AdapterError` that names the block at fault.
  public init(
    label: String, format: String, blocks: [Block], topology: Topology,
    provenance: Provenance = Provenance(), details: [(name: String, value: String)] = [],
    notes: [String]
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
    self.provenance = provenance
    self.details = details
    self.notes = notes
    if let fault = Adapter.linkFaults(blocks, topology).first { throw fault }
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

  /// The same adapter with what is known of its base weights, block by block.
  ///
  /// - Throws: `AdapterError`, which the same blocks do not give.
  package func withBaseWeights(_ weights: [BaseWeight?]) throws(AdapterError) -> Adapter {
    var blocks = blocks
    for (position, weight) in weights.enumerated() { blocks[position].base = weight }
    return try Adapter(
      label: label, format: format, blocks: blocks, topology: topology, provenance: provenance,
      details: details, notes: notes)
  }

  /// Shapes that do not allow a link (Merging §3.2).
  ///
  /// Agreement with a predecessor is agreement with all before it, so only nearest ones are
  /// compared: a chain whose blocks all reach to its root costs no more than its length.
  static func linkFaults(_ blocks: [Block], _ topology: Topology) -> [AdapterError] {
    var faults: [AdapterError] = []
    for (position, block) in blocks.enumerated() {
      guard let predecessor = topology.previous[position].map({ blocks[$0] }) else { continue }
      func require(_ what: String, _ found: Int, _ expected: Int) {
        guard found != expected else { return }
        faults.append(
          .linkMismatch(
            block: block.name, predecessor: predecessor.name, what: what, found: found,
            expected: expected))
      }
      switch topology.structure {
      case .plain: continue
      case .inputShortcut: require("in features", block.inFeatures, predecessor.inFeatures)
      case .blockShortcut:
        require("in features", block.inFeatures, predecessor.inFeatures)
        require("out features", block.outFeatures, predecessor.outFeatures)
      case .middleShortcut:
        guard topology.reach.limit > 0 else { continue }
        require("in features", block.inFeatures, predecessor.inFeatures)
        require("rank", block.rank, predecessor.rank)
        for (found, expected) in zip(block.a.ranks, predecessor.a.ranks) {
          require("rank of a stacked pair", found, expected)
        }
      }
    }
    return faults
  }
}
