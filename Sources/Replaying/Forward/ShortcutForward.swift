package import Activations
package import Adapters
internal import LinearAlgebra
package import Tensors

/// The low-rank term with shortcuts that some blocks of an adapter computed in training (Replay §2),
/// in the coordinates of their ranks: `Δ_res = L z` with L [out, ρ] and z of ρ numbers a token.
///
/// | structure | L | z |
/// |---|---|---|
/// | plain, is, ms | `s_n B_n` | the sum of all `A x` |
/// | bs | `s_{n−k} B_{n−k}` side by side | the `A_{n−k} x_n` below each other |
package struct ShortcutForward: Sendable {
  package let adapter: Adapter
  /// The blocks, by their position in the adapter.
  package let blocks: [Int]
  /// The products that are needed, to be given to `Projections` before any other.
  package let requests: [Projections.Request]

  private let terms: [Int: Terms]

  /// Where a block's products are among the requests.
  private struct Terms: Sendable {
    /// `A_n x_n`
    var own: Int
    /// What the shortcuts bring: summed, or joined for bs.
    var shortcuts: [Int]
    /// Whether the own product counts once more, as the root of an input-shortcut has it.
    var doublesOwn = false
  }

  /// Reads the A of the blocks and of those that they are linked to.
  ///
  /// - Parameter inputs: of all blocks of the adapter.
  /// - Throws: errors of reading, `AdapterError.nonFinite`.
  package init(
    _ adapter: Adapter, blocks: [Int], _ inputs: CapturedInputs, allowsNonFinite: Bool
  ) throws {
    struct Key: Hashable {
      let factor: Int
      let matrix: Int
    }
    var requests: [Projections.Request] = []
    var known: [Key: Int] = [:]
    var loaded: [Int: Matrix] = [:]
    func request(_ factor: Int, times block: Int) throws -> Int {
      let key = Key(factor: factor, matrix: inputs.matrixOfBlock[block])
      if let position = known[key] { return position }
      let a =
        try loaded[factor] ?? adapter.blocks[factor].a.load(allowingNonFinite: allowsNonFinite)
      loaded[factor] = a
      requests.append(Projections.Request(matrix: key.matrix, factor: a))
      known[key] = requests.count - 1
      return requests.count - 1
    }
    var terms: [Int: Terms] = [:]
    for block in blocks {
      let predecessors = adapter.topology.predecessors(of: block)
      var own = Terms(own: try request(block, times: block), shortcuts: [])
      switch adapter.structure {
      case .plain: break
      case .inputShortcut:
        own.shortcuts = try predecessors.map { try request(block, times: $0) }
        own.doublesOwn = predecessors.isEmpty && adapter.topology.root == .ownInput
      case .middleShortcut: own.shortcuts = try predecessors.map { try request($0, times: $0) }
      case .blockShortcut: own.shortcuts = try predecessors.map { try request($0, times: block) }
      }
      terms[block] = own
    }
    self.adapter = adapter
    self.blocks = blocks
    self.requests = requests
    self.terms = terms
  }

  /// The products of one token that replaying some blocks takes, the merges' aside; a block is
  /// counted with what only it needs.
  static func width(_ adapter: Adapter, _ blocks: [Int]) -> Int {
    blocks.reduce(0) { sum, block in
      let predecessors = adapter.topology.predecessors(of: block)
      let own = adapter.blocks[block].rank
      switch adapter.structure {
      case .plain, .middleShortcut: return sum + own
      case .inputShortcut: return sum + own * (1 + predecessors.count)
      case .blockShortcut: return predecessors.reduce(sum + own) { $0 + adapter.blocks[$1].rank }
      }
    }
  }

  /// L of a block.
  ///
  /// - Throws: errors of reading, `AdapterError.nonFinite`.
  package func left(of block: Int, allowsNonFinite: Bool) throws -> Matrix {
    func term(_ position: Int) throws -> Matrix {
      let block = adapter.blocks[position]
      return try block.b.load(allowingNonFinite: allowsNonFinite).scaled(by: block.scaling)
    }
    guard adapter.structure == .blockShortcut else { return try term(block) }
    return .stackedColumns(
      try ([block] + adapter.topology.predecessors(of: block)).map(term))
  }

  /// z of every token of a tile, [tokens, ρ].
  package func state(of block: Int, in tile: Projections.Tile) -> Matrix {
    let terms = terms(of: block)
    if adapter.structure == .blockShortcut {
      return .stackedColumns(([terms.own] + terms.shortcuts).map { sum([$0], in: tile) })
    }
    return sum([terms.own] + (terms.doublesOwn ? [terms.own] : []) + terms.shortcuts, in: tile)
  }

  /// `A_n x_n` of every token of a tile, [tokens, r].
  package func own(of block: Int, in tile: Projections.Tile) -> Matrix {
    sum([terms(of: block).own], in: tile)
  }

  /// What the shortcuts of is and ms bring to every token of a tile, [tokens, r]: `A_n x_{n−1}`, or
  /// `Σ_k A_{n−k} x_{n−k}`.
  package func shortcut(of block: Int, in tile: Projections.Tile) -> Matrix {
    let terms = terms(of: block)
    return sum(
      terms.doublesOwn ? [terms.own] : terms.shortcuts, in: tile, rank: tile.rank(of: terms.own))
  }

  private func terms(of block: Int) -> Terms {
    guard let found = terms[block] else { preconditionFailure("block \(block) is not replayed") }
    return found
  }

  private func sum(_ requests: [Int], in tile: Projections.Tile, rank: Int? = nil) -> Matrix {
    let rank = rank ?? tile.rank(of: requests[0])
    var result = Matrix(rows: tile.rows.count, columns: rank)
    unsafe result.values.withUnsafeMutableBufferPointer { target in
      for request in requests {
        let view = tile.values(of: request)
        for row in 0..<tile.rows.count {
          let source = unsafe view.start + row * view.stride
          for column in 0..<rank { unsafe target[row * rank + column] += source[column] }
        }
      }
    }
    return result
  }
}
