public import Adapters
internal import Tensors

/// The plain LoRA that a merge gives; its factors are computed when they are asked for, a block at
/// a time.
public struct MergedLoRA: PlainLoRA {
  /// What is known of every block.
  public let blocks: [PlainBlock]

  private let adapter: Adapter
  private let combinations: [BlockMerge.Combination]
  private let allowsNonFinite: Bool

  /// Combines an adapter's factors as a merge method decided.
  init(_ adapter: Adapter, _ merges: [BlockMerge], allowsNonFinite: Bool) {
    self.adapter = adapter
    self.allowsNonFinite = allowsNonFinite
    combinations = merges.map(\.combination)
    blocks = adapter.blocks.indices.map { position in
      MergedLoRA.describe(position, adapter, merges[position].combination)
    }
  }

  /// The factors of a block, by Merging §5.1.
  public func factors(of index: Int) throws -> PlainFactors {
    try adapter.factors(of: index, combinations[index], allowsNonFinite: allowsNonFinite)
  }

  /// Rank and dtypes, by Merging §5.2.
  static func describe(
    _ position: Int, _ adapter: Adapter, _ combination: BlockMerge.Combination
  ) -> PlainBlock {
    let block = adapter.blocks[position]
    let others = adapter.topology.predecessors(of: position).map { adapter.blocks[$0] }
    var rank = block.rank
    let a: DType
    let b: DType
    switch combination {
    case .scaled(let factor):
      a = dtype([block.a], isComputed: false)
      b = dtype([block.b], isComputed: factor != 1)
    case .mixed:
      a = dtype([block.a] + others.map(\.a), isComputed: true)
      b = dtype([block.b], isComputed: false)
    case .corrected:
      a = dtype([block.a] + others.map(\.a), isComputed: true)
      b = dtype([block.b], isComputed: false)
    case .joined:
      rank += others.reduce(0) { $0 + $1.rank }
      a = dtype([block.a] + others.map(\.a), isComputed: false)
      b = dtype(
        [block.b] + others.map(\.b), isComputed: others.contains { $0.share(of: block) != 1 })
    }
    return PlainBlock(
      name: block.name, rank: rank, inFeatures: block.inFeatures, outFeatures: block.outFeatures,
      scaling: block.scaling, aDType: a, bDType: b)
  }

  /// The one dtype of all tensors that are carried over; for computed ones F32, or F64 where any
  /// input is.
  private static func dtype(_ factors: [Factor], isComputed: Bool) -> DType {
    let dtypes = Set(factors.flatMap { $0.pieces.map(\.info.dtype) })
    if !isComputed, dtypes.count == 1, let dtype = dtypes.first { return dtype }
    return dtypes.contains(.f64) ? .f64 : .f32
  }
}

extension Adapter {
  /// The factors of a block combined by Merging §5.1.
  func factors(
    of index: Int, _ combination: BlockMerge.Combination, allowsNonFinite: Bool
  ) throws -> PlainFactors {
    func load(_ factor: Factor) throws -> Matrix {
      try factor.load(allowingNonFinite: allowsNonFinite)
    }
    let block = blocks[index]
    let predecessors = topology.predecessors(of: index)
    let a = try load(block.a)
    let b = try load(block.b)
    switch combination {
    case .scaled(let factor): return PlainFactors(a: a, b: factor == 1 ? b : b.scaled(by: factor))
    case .mixed(let alpha):
      return PlainFactors(a: try mixed(a, alpha, predecessors, allowsNonFinite), b: b)
    case .corrected(let correction):
      var corrected = a
      for i in corrected.values.indices { corrected.values[i] += correction.values[i] }
      return PlainFactors(a: corrected, b: b)
    case .joined:
      let others = predecessors.map { blocks[$0] }
      return PlainFactors(
        a: .stackedRows([a] + (try others.map { try load($0.a) })),
        b: .stackedColumns(
          [b]
            + (try others.map { other in
              let factor = other.share(of: block)
              return factor == 1 ? try load(other.b) : try load(other.b).scaled(by: factor)
            })))
    }
  }
}

extension Adapter {
  /// `start + Σ α_k A_{n−k}`
  func mixed(
    _ start: Matrix, _ alpha: [Double], _ predecessors: [Int], _ allowsNonFinite: Bool
  ) throws -> Matrix {
    var sum = start
    for (factor, predecessor) in zip(alpha, predecessors) {
      let other = try blocks[predecessor].a.load(allowingNonFinite: allowsNonFinite)
      for i in sum.values.indices { sum.values[i] += factor * other.values[i] }
    }
    return sum
  }
}

extension Block {
  /// `s_{n−k} / s_n`
  fileprivate func share(of block: Block) -> Double {
    scaling == block.scaling ? 1 : scaling / block.scaling
  }
}
