package import Activations
package import Adapters

extension CapturedInputs {
  /// The blocks in groups that share neither links nor inputs: each is replayed by itself, so that
  /// memory holds the factors of one.
  package func groups(of adapter: Adapter) -> [[Int]] {
    var parent = Array(adapter.blocks.indices)
    func root(_ block: Int) -> Int {
      var block = block
      while parent[block] != block {
        parent[block] = parent[parent[block]]
        block = parent[block]
      }
      return block
    }
    var ownerOfMatrix: [Int: Int] = [:]
    for block in adapter.blocks.indices {
      let owner = ownerOfMatrix[matrixOfBlock[block]] ?? block
      ownerOfMatrix[matrixOfBlock[block]] = owner
      let links = adapter.topology.predecessors(of: block).prefix(1)
      for other in [owner] + links { parent[root(block)] = root(other) }
    }
    var groups: [Int: [Int]] = [:]
    for block in adapter.blocks.indices { groups[root(block), default: []].append(block) }
    return groups.values.sorted { $0[0] < $1[0] }
  }
}
