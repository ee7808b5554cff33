internal import Adapters

/// The links of an adapter: a line of blocks for each chain, branches below the chain they leave.
struct TopologyChart: Sendable {
  let adapter: ReportedAdapter

  /// What is drawn at most.
  static let maximumLanes = 40
  static let maximumDepth = 96
  private static let laneHeight = 62.0
  private static let width = 880.0

  /// A block in the drawing.
  private struct Node {
    let block: Int
    let depth: Int
    let lane: Int
    let previous: Place?
  }

  /// Where a block is.
  private struct Place {
    let depth: Int
    let lane: Int
  }

  /// The drawing as a figure; nil for a plain LoRA.
  var figure: PageFigure? {
    guard let topology = adapter.topology, topology.structure != .plain else { return nil }
    let (nodes, lanes) = nodes(topology)
    let depth = (nodes.map(\.depth).max() ?? 0) + 1
    let step = min(64, (TopologyChart.width - 40) / Double(max(1, depth - 1)))
    let radius = min(13, step * 0.34)
    func x(_ depth: Int) -> Double { 20 + Double(depth) * step }
    func y(_ lane: Int) -> Double { 36 + Double(lane) * TopologyChart.laneHeight }
    let labels = laneLabels(nodes, lanes)
    let starts = (0..<lanes).map { lane in
      max(6, x(nodes.first { $0.lane == lane }?.depth ?? 0) - radius)
    }
    let labelsEnd = zip(starts, labels).map { $0 + 7.2 * Double($1.columns) }.max() ?? 0
    let drawing = Drawing.svg(
      width: max(40 + Double(depth - 1) * step, labelsEnd + 8),
      height: Double(lanes) * TopologyChart.laneHeight + 8, label: label(topology, lanes)
    ) {
      for (lane, text) in labels.enumerated() where !text.isEmpty {
        Drawing.label(text, starts[lane], y(lane) - 20, "row")
      }
      for node in nodes {
        if let previous = node.previous {
          link(
            x(previous.depth) + radius, y(previous.lane), x(node.depth) - radius, y(node.lane))
        } else if topology.structure == .inputShortcut, topology.root == .ownInput {
          loop(x(node.depth), y(node.lane), radius)
        }
      }
      for node in nodes { mark(node, topology, x(node.depth), y(node.lane), radius) }
    }
    let left = adapter.blocks.count - nodes.count
    let note =
      left > 0 ? " \(NumberText.count(left, "more block")) of the forest are not drawn." : ""
    return PageFigure(drawing: drawing, caption: meaning(topology) + note)
  }

  // MARK: Layout

  /// Places every chain on a lane of its own; a branch goes on below the block it leaves, the largest
  /// straight on.
  private func nodes(_ topology: Topology) -> (nodes: [Node], lanes: Int) {
    var successors = [[Int]](repeating: [], count: topology.previous.count)
    for (block, previous) in topology.previous.enumerated() {
      if let previous { successors[previous].append(block) }
    }
    var sizes = [Int](repeating: 1, count: successors.count)
    for block in topology.rootsFirst.reversed() {
      sizes[block] += successors[block].reduce(0) { $0 + sizes[$1] }
    }
    var nodes: [Node] = []
    var lanes = 0
    var waiting: [(block: Int, depth: Int, previous: Place?)] = topology.previous.indices
      .filter { topology.previous[$0] == nil }.reversed().map { ($0, 0, nil) }
    while let start = waiting.popLast(), lanes < TopologyChart.maximumLanes {
      guard start.depth < TopologyChart.maximumDepth else { continue }
      var (current, depth, previous) = (start.block, start.depth, start.previous)
      while true {
        nodes.append(Node(block: current, depth: depth, lane: lanes, previous: previous))
        let place = Place(depth: depth, lane: lanes)
        let next = successors[current].sorted { sizes[$0] > sizes[$1] }
        for branch in next.dropFirst() { waiting.append((branch, depth + 1, place)) }
        guard let straight = next.first, depth + 1 < TopologyChart.maximumDepth else { break }
        (current, depth, previous) = (straight, depth + 1, place)
      }
      lanes += 1
    }
    return (nodes, lanes)
  }

  /// What the blocks of a lane are, or the first of them.
  private func laneLabels(_ nodes: [Node], _ lanes: Int) -> [String] {
    let grid = BlockGrid(adapter.blocks.map(\.name))
    var families = [String](repeating: "", count: adapter.blocks.count)
    for family in grid.families {
      for member in family.members { families[member.block] = family.label }
    }
    return (0..<lanes).map { lane in
      let blocks = nodes.filter { $0.lane == lane }.map(\.block)
      let isOneFamily = Set(blocks.map { families[$0] }).count == 1 && !grid.isSequence
      let text = isOneFamily ? families[blocks[0]] : adapter.blocks[blocks[0]].name
      return text.shortened(to: 48)
    }
  }

  // MARK: Drawing

  private func link(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> Markup {
    guard y1 != y2 else { return Drawing.line(x1, y1, x2, y2, "link") }
    let middle = (x1 + x2) / 2
    return Drawing.path(
      "M\(x1.coordinate) \(y1.coordinate)C\(middle.coordinate) \(y1.coordinate) "
        + "\(middle.coordinate) \(y2.coordinate) \(x2.coordinate) \(y2.coordinate)",
      ["class": "link"])
  }

  /// A root that takes its own input twice.
  private func loop(_ x: Double, _ y: Double, _ radius: Double) -> Markup {
    let reach = radius * 0.7
    return Drawing.path(
      "M\((x - reach).coordinate) \((y + reach).coordinate)"
        + "c\((-0.2 * radius).coordinate) \((1.2 * radius).coordinate) "
        + "\((2 * reach + 0.2 * radius).coordinate) \((1.2 * radius).coordinate) "
        + "\((2 * reach).coordinate) 0",
      ["class": "link"])
  }

  private func mark(
    _ node: Node, _ topology: Topology, _ x: Double, _ y: Double, _ radius: Double
  ) -> Markup {
    let block = adapter.blocks[node.block]
    let previous = topology.previous[node.block].map { "follows \(adapter.blocks[$0].name)" }
    let circle = Drawing.circle(
      x, y, radius: radius,
      [
        "class": node.previous == nil ? "node root" : "node", "data-mark": "",
        "data-node": block.name,
      ],
      title: [
        block.name, previous ?? "root",
        "\(block.inFeatures) → \(block.outFeatures), rank \(block.rank)",
      ])
    let parts = NameParts(block.name)
    guard radius >= 9, let layer = parts.numbers.first, layer < 1000 else { return circle }
    let style = node.previous == nil ? "in rooted" : "in noded"
    return Markup(joining: [circle, Drawing.label("\(layer)", x, y + 4, style, anchor: .middle)])
  }

  // MARK: Words

  private func label(_ topology: Topology, _ lanes: Int) -> String {
    let roots = topology.previous.count { $0 == nil }
    return "Links of \(NumberText.count(adapter.blocks.count, "block")) from "
      + NumberText.count(roots, "root")
  }

  private func meaning(_ topology: Topology) -> String {
    switch topology.structure {
    case .plain: return ""
    case .inputShortcut:
      let root =
        topology.root == .ownInput ? "a root sees its own twice" : "a root sees its own only"
      return "Each block also sees the input of the one before it; \(root)."
    case .blockShortcut: return "Each block also adds the products of \(reach(topology))."
    case .middleShortcut: return "Each block also sees the projections of \(reach(topology))."
    }
  }

  private func reach(_ topology: Topology) -> String {
    switch topology.reach.rawValue {
    case -1: "all before it"
    case 1: "the one before it"
    case let count: "the \(count) before it"
    }
  }
}
