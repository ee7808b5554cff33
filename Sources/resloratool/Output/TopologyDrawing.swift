import Adapters
import Tensors

/// The links of an adapter drawn as text: a column for each chain, a branch where several blocks
/// follow one.
struct TopologyDrawing {
  private let adapter: Adapter
  private let successors: [[Int]]

  init(_ adapter: Adapter) {
    self.adapter = adapter
    var successors = [[Int]](repeating: [], count: adapter.blocks.count)
    for (block, previous) in adapter.topology.previous.enumerated() {
      if let previous { successors[previous].append(block) }
    }
    // The largest branch goes on straight down, so that no more are open at once than the number of
    // blocks has binary digits.
    var sizes = [Int](repeating: 1, count: adapter.blocks.count)
    for block in adapter.topology.rootsFirst.reversed() {
      sizes[block] += successors[block].reduce(0) { $0 + sizes[$1] }
      guard let largest = successors[block].map({ sizes[$0] }).max(),
        let position = successors[block].lastIndex(where: { sizes[$0] == largest })
      else { continue }
      successors[block].append(successors[block].remove(at: position))
    }
    self.successors = successors
  }

  var text: String {
    guard adapter.structure != .plain else { return "no links: a plain LoRA\n" }
    let roots = adapter.blocks.indices.filter { adapter.topology.previous[$0] == nil }
    return meaning + "\n" + roots.map { lines(from: $0, prefix: "") }.joined(separator: "\n")
  }

  private var meaning: String {
    switch adapter.structure {
    case .plain: ""
    case .inputShortcut:
      "each block also sees the input of the one above it"
        + (adapter.topology.root == .ownInput ? "; a root sees its own twice\n" : "\n")
    case .blockShortcut: "each block also adds the products of \(reach)\n"
    case .middleShortcut: "each block also sees the projections of \(reach)\n"
    }
  }

  private var reach: String {
    switch adapter.topology.reach.rawValue {
    case -1: "all above it"
    case 1: "the one above it"
    case let count: "the \(count) above it"
    }
  }

  /// A block and all that follow it. Not recursive along a chain, which may be long; how deep
  /// branches nest is bounded by their order.
  private func lines(from root: Int, prefix: String) -> String {
    var text = ""
    var current: Int? = root
    while let block = current {
      text += "\(prefix)● \(adapter.blocks[block].name)\n"
      let next = successors[block]
      for branch in next.dropLast() {
        text += "\(prefix)├─╮\n" + lines(from: branch, prefix: prefix + "│ ")
      }
      current = next.last
    }
    return text
  }
}
