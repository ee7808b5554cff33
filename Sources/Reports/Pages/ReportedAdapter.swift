public import Adapters
internal import Tensors

/// What a page tells of an adapter, its factors aside.
public struct ReportedAdapter: Sendable {
  /// What to call it, usually its path.
  public var label: String
  /// The name of the format it was read from.
  public var format: String
  /// How its blocks are linked; nil where that is unknown.
  public var topology: Topology?
  /// Its blocks, in module order, as the topology counts them.
  public var blocks: [Block]
  /// What was concluded when it was read, one line each.
  public var notes: [String]

  /// What a page tells of one block.
  public struct Block: Sendable {
    /// The name of its module.
    public var name: String
    /// The rank of its factors.
    public var rank: Int
    /// Features in.
    public var inFeatures: Int
    /// Features out.
    public var outFeatures: Int
    /// The norms collected in training.
    public var windows: NormWindows

    /// Describes a block.
    public init(
      name: String, rank: Int, inFeatures: Int, outFeatures: Int,
      windows: NormWindows = NormWindows()
    ) {
      self.name = name
      self.rank = rank
      self.inFeatures = inFeatures
      self.outFeatures = outFeatures
      self.windows = windows
    }
  }

  /// Describes an adapter; a topology counts as many blocks as there are.
  public init(
    label: String, format: String, topology: Topology?, blocks: [Block], notes: [String] = []
  ) {
    precondition(
      topology.map { $0.previous.count == blocks.count } ?? true, "topology of other blocks")
    self.label = label
    self.format = format
    self.topology = topology
    self.blocks = blocks
    self.notes = notes
  }

  /// What is to be told of an adapter.
  public init(_ adapter: Adapter, label: String) {
    self.init(
      label: label, format: adapter.format, topology: adapter.topology,
      blocks: adapter.blocks.map {
        Block(
          name: $0.name.string, rank: $0.rank, inFeatures: $0.inFeatures,
          outFeatures: $0.outFeatures, windows: $0.windows)
      }, notes: adapter.notes)
  }

  /// The structure in words: `input-shortcut (is), root self`.
  var structureTitle: String {
    guard let topology else { return "adapter" }
    let title = topology.structure.title
    switch topology.structure {
    case .plain: return title
    case .inputShortcut:
      return "\(title) (\(topology.structure.rawValue)), root \(topology.root.rawValue)"
    case .blockShortcut, .middleShortcut:
      return "\(title) (\(topology.structure.rawValue)), pre_num \(topology.reach.rawValue)"
    }
  }

  /// The sections that show how its blocks are linked and what they saw in training.
  func sections(_ grid: BlockGrid) -> [PageSection?] {
    [
      PageSection(
        "windows", "Norm windows",
        figures: [WindowCurves(adapter: self, grid: grid).figure]),
      PageSection("topology", "Topology", figures: [TopologyChart(adapter: self).figure]),
    ]
  }
}
