public import Tensors

/// What links the blocks of an adapter: structure, root rule, reach, and every block's predecessor
/// (Merging §3.1). Data, never guessed from names without saying so.
public struct Topology: Sendable {
  /// How linked blocks act on each other.
  public let structure: Structure
  /// What an input-shortcut root takes for its missing predecessor's input.
  public let root: RootRule
  /// How far bs and ms reach back.
  public let reach: PredecessorCount
  /// Each block's predecessor by position, nil for a root.
  public let previous: [Int?]
  /// The blocks' positions, every predecessor before its successors.
  public let rootsFirst: [Int]

  /// Checks the links of named blocks: predecessors that exist, no cycle.
  ///
  /// - Throws: `AdapterError.unknownPredecessor`, `AdapterError.cycle`.
  public init(
    structure: Structure, root: RootRule, reach: PredecessorCount, names: [TensorName],
    previous: [TensorName?]
  ) throws(AdapterError) {
    let positions = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
    var links: [Int?] = []
    for (name, predecessor) in zip(names, previous) {
      guard let predecessor else {
        links.append(nil)
        continue
      }
      guard let position = positions[predecessor] else {
        throw .unknownPredecessor(block: name, found: predecessor)
      }
      links.append(position)
    }
    self.structure = structure
    self.root = root
    self.reach = reach
    self.previous = links
    rootsFirst = try Topology.rootsFirst(links, names)
  }

  /// The predecessors that take part in a block's forward pass, nearest first: for `is` the one
  /// before it, for bs and ms at most `reach` of them (Merging §2.5), for plain none.
  public func predecessors(of block: Int) -> [Int] {
    let limit =
      switch structure {
      case .plain: 0
      case .inputShortcut: 1
      case .blockShortcut, .middleShortcut: reach.limit
      }
    var found: [Int] = []
    var current = block
    while found.count < limit, let predecessor = previous[current] {
      found.append(predecessor)
      current = predecessor
    }
    return found
  }

  /// The chains: each path from a root to a block without successor.
  public var chains: [[Int]] {
    let inner = Set(previous.compactMap { $0 })
    return previous.indices.filter { !inner.contains($0) }.map { leaf in
      var path = [leaf]
      while let predecessor = previous[path[path.count - 1]] { path.append(predecessor) }
      return path.reversed()
    }
  }

  private static func rootsFirst(
    _ previous: [Int?], _ names: [TensorName]
  ) throws(AdapterError) -> [Int] {
    var order: [Int] = []
    var placed = [Bool](repeating: false, count: previous.count)
    for start in previous.indices {
      var path: [Int] = []
      var seen: Set<Int> = []
      var current: Int? = start
      while let block = current, !placed[block] {
        guard seen.insert(block).inserted else { throw .cycle(block: names[block]) }
        path.append(block)
        current = previous[block]
      }
      for block in path.reversed() {
        placed[block] = true
        order.append(block)
      }
    }
    return order
  }
}
