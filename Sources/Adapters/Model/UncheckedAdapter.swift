package import Tensors

/// What a format's reader found, before the user's overrides and the final checks.
package struct UncheckedAdapter {
  var label: String
  var format: String
  var blocks: [Block]
  /// Each block's predecessor, in the order of `blocks`.
  var previous: [TensorName?]
  var structure: Structure?
  var root: RootRule?
  var reach: PredecessorCount?
  /// Whether `previous` was concluded from names and not stored.
  var isInferred = false
  /// The most norms a window beside the adapter may hold.
  var windowCapacity = NormWindows.defaultCapacity
  var provenance = Provenance()
  var details: [(name: String, value: String)] = []
  var notes: [String] = []

  /// Applies overrides and checks everything.
  package func adapter(_ overrides: AdapterOverrides) throws -> Adapter {
    var description = self
    let names = blocks.map(\.name)
    if let file = overrides.topology {
      description.previous = try file.previous(of: names)
      description.isInferred = false
      description.structure = file.structure ?? structure
      description.root = file.root ?? root
      description.reach = file.reach ?? reach
      description.notes.append("topology from \(file.path.escapedForTerminal)")
    }
    description.root = overrides.root ?? description.root
    description.reach = overrides.reach ?? description.reach
    if let file = overrides.windows {
      try file.apply(to: &description.blocks, capacity: windowCapacity)
    }
    if overrides.areGiven, !provenance.attachments.isEmpty {
      description.provenance = provenance.ofAnotherAdapter
      description.notes.append(
        "chunks of others: left out, they are about the adapter without what is stated beside it")
    }
    return try description.checked()
  }

  /// Notes everything that is wrong with the links (Merging §3.2).
  package func checkLinks(_ check: RuleCheck) throws {
    guard let structure, structure != .plain else { return }
    let topology = try check.attempt("Merging §3.2") {
      try Topology(
        structure: structure, root: root ?? .ownInput, reach: reach ?? .all,
        names: blocks.map(\.name), previous: previous)
    }
    guard let topology else { return }
    for fault in Adapter.linkFaults(blocks, topology) {
      _ = try check.attempt("Merging §3.2") { throw fault }
    }
  }

  private func checked() throws -> Adapter {
    guard let structure else {
      throw AdapterError.unstated(
        source: label, what: "structure (plain, is, bs or ms)",
        advice: "put the reslora_config.json beside it or pass --topology-file FILE")
    }
    let needsReach = structure == .blockShortcut || structure == .middleShortcut
    guard let reach = reach ?? (needsReach ? nil : .all) else {
      throw AdapterError.unstated(
        source: label, what: "number of predecessors", advice: "pass --pre-num N")
    }
    let topology = try Topology(
      structure: structure, root: root ?? .ownInput, reach: reach, names: blocks.map(\.name),
      previous: structure == .plain ? blocks.map { _ in nil } : previous)
    var notes = notes
    if isInferred, structure != .plain {
      let chains = topology.chains
      notes.append(
        "topology inferred from names (the source stores none): \(chains.count) "
          + "\(chains.count == 1 ? "chain" : "chains") of "
          + chains.map { "\($0.count)" }.joined(separator: ", ")
          + " blocks, root \(topology.root.rawValue); --topology-file FILE overrides it")
    }
    return try Adapter(
      label: label, format: format, blocks: blocks, topology: topology, provenance: provenance,
      details: details, notes: notes)
  }
}

/// What a user states beside an adapter, each overriding what the source says.
public struct AdapterOverrides: Sendable {
  /// `--topology-file FILE`
  public var topology: TopologyFile?
  /// `--root`
  public var root: RootRule?
  /// `--pre-num`
  public var reach: PredecessorCount?
  /// `--windows FILE`
  public var windows: WindowsFile?

  /// Whether anything is stated.
  var areGiven: Bool { topology != nil || root != nil || reach != nil || windows != nil }

  /// No overrides, or those given.
  public init(
    topology: TopologyFile? = nil, root: RootRule? = nil, reach: PredecessorCount? = nil,
    windows: WindowsFile? = nil
  ) {
    self.topology = topology
    self.root = root
    self.reach = reach
    self.windows = windows
  }
}
