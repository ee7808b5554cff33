internal import Activations
package import Adapters
internal import ByteIO
internal import LinearAlgebra
package import Tensors

/// Measures the low-rank terms of one group of blocks (Replay §3), all of it in the coordinates of
/// ranks.
struct DeltaReplay {
  let forward: ShortcutForward
  let projections: Projections

  private let candidates: [ReplayCandidate]
  private let coordinates: [BlockCoordinates]
  /// By block, then by candidate: the request of the merged A.
  private let merged: [[Int]]

  /// What is summed of one block.
  struct Sums: Sendable {
    var deltas: [DeltaSums]
    var oracle = ScalarSums()

    var isFinite: Bool {
      deltas.allSatisfy { $0.reference.isFinite && $0.merged.isFinite && $0.residual.isFinite }
    }

    mutating func add(_ other: Sums) {
      for position in deltas.indices { deltas[position].add(other.deltas[position]) }
      oracle.add(other.oracle)
    }
  }

  init(
    _ adapter: Adapter, blocks: [Int], _ inputs: CapturedInputs, _ candidates: [ReplayCandidate],
    allowsNonFinite: Bool, threads: Int
  ) throws {
    forward = try ShortcutForward(
      adapter, blocks: blocks, inputs, allowsNonFinite: allowsNonFinite)
    self.candidates = candidates
    var requests = forward.requests
    let loaded = try Parallel.map(blocks.count, threads: threads) { [forward] position in
      let block = blocks[position]
      let factors = try candidates.map { try $0.factors(of: block) }
      let lefts = zip(candidates, factors).map { $1.b.scaled(by: $0.scaling(of: block)) }
      let coordinates = try BlockCoordinates(
        left: forward.left(of: block, allowsNonFinite: allowsNonFinite), mergedLefts: lefts,
        needsOracle: adapter.hasMergeFactor(block))
      return (coordinates: coordinates, factors: factors.map(\.a))
    }
    coordinates = loaded.map(\.coordinates)
    merged = zip(blocks, loaded).map { block, loaded in
      loaded.factors.map { a in
        requests.append(Projections.Request(matrix: inputs.matrixOfBlock[block], factor: a))
        return requests.count - 1
      }
    }
    projections = try Projections(inputs, requests)
  }

  /// The sums over a tile for each block.
  func sums(over tile: Projections.Tile, threads: Int) throws -> [Sums] {
    try Parallel.map(forward.blocks.count, threads: threads) { position in
      let block = forward.blocks[position]
      let state = forward.state(of: block, in: tile)
      var sums = Sums(deltas: [])
      for (candidate, (reference, merge)) in coordinates[position].merges.enumerated() {
        sums.deltas.append(
          DeltaSums(
            reference: try state.timesTransposed(reference),
            merged: try tile.matrix(of: merged[position][candidate]).timesTransposed(merge)))
      }
      if let own = coordinates[position].own {
        sums.oracle = try forward.scalarSums(of: block, in: tile, own)
      }
      return sums
    }
  }

  /// The products of a candidate's A for a block, [tokens, rank].
  func mergedState(of position: Int, _ candidate: Int, in tile: Projections.Tile) -> Matrix {
    tile.matrix(of: merged[position][candidate])
  }
}

extension Projections.Tile {
  /// The products of a request, [tokens, r].
  package func matrix(of request: Int) -> Matrix {
    let (view, rank) = (values(of: request), rank(of: request))
    var values: [Double] = []
    values.reserveCapacity(rows.count * rank)
    for row in 0..<rows.count {
      unsafe values += UnsafeBufferPointer(start: view.start + row * view.stride, count: rank)
    }
    return Matrix(rows: rows.count, columns: rank, values: values)
  }
}

extension Adapter {
  /// Whether a merge of the block by a scalar has an α (Merging §5.4): every block of is, and of ms
  /// those with predecessors.
  package func hasMergeFactor(_ block: Int) -> Bool {
    switch structure {
    case .inputShortcut: true
    case .middleShortcut: !topology.predecessors(of: block).isEmpty
    case .plain, .blockShortcut: false
    }
  }
}
