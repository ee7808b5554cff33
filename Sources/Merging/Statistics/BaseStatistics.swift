internal import Adapters
internal import ByteIO
internal import Synchronization
internal import Tensors

/// One pass over base weights that gathers `BlockStatistics`, without forming any `B A`.
///
/// Weights are read in tiles of whole rows, each by one thread; a tile's sums depend on nothing
/// but the weight's shape, and are added up in order, so results have the same bits for every
/// number of threads. Memory: per thread a tile of at most `tileBytes` (or one row) in float64 and
/// one rank x in product; besides, the factors of the few blocks in work.
enum BaseStatistics {
  /// The size of a tile in float64.
  static let tileBytes = 4 << 20

  /// The factors a weight is measured against: `left` out x r, `rights` r x in.
  struct Factors: Sendable {
    let leftTransposed: Matrix
    let rights: [Matrix]
  }

  /// Statistics for `s B A`, and for ms with the predecessors' A as well: of the base where it is
  /// given, else those that the adapter carries.
  static func ofLinkedFactors(
    _ adapter: Adapter, _ inputs: MergeInputs
  ) throws -> [BlockStatistics] {
    if inputs.base == nil { return try stored(with: adapter, inputs) }
    return try gather(adapter, inputs) { try linkedFactors(adapter, $0, inputs) }
  }

  /// A block's B, its own A and, for ms, those of its predecessors.
  static func linkedFactors(
    _ adapter: Adapter, _ position: Int, _ inputs: MergeInputs
  ) throws -> Factors {
    Factors(
      leftTransposed: try adapter.blocks[position].b
        .load(allowingNonFinite: inputs.allowsNonFinite).transposed,
      rights: try linked(adapter, position).map {
        try adapter.blocks[$0].a.load(allowingNonFinite: inputs.allowsNonFinite)
      })
  }

  /// Statistics for `(B A)ᵀ`.
  static func ofTransposedFactors(
    _ adapter: Adapter, _ inputs: MergeInputs
  ) throws -> [BlockStatistics] {
    try gather(adapter, inputs) { position in
      let block = adapter.blocks[position]
      return Factors(
        leftTransposed: try block.a.load(allowingNonFinite: inputs.allowsNonFinite),
        rights: [try block.b.load(allowingNonFinite: inputs.allowsNonFinite).transposed])
    }
  }

  private static func gather(
    _ adapter: Adapter, _ inputs: MergeInputs,
    _ factors: @escaping @Sendable (Int) throws -> Factors
  ) throws -> [BlockStatistics] {
    guard let base = inputs.base else { throw MergeError.missingBase }
    let match = try BaseMatch(
      adapter.blocks.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: false)
    return try gather(
      weights: match.weights.compactMap { $0 }, of: base, inputs, factors: factors)
  }

  /// Statistics of the numbered weights; `factors` gives those of the weight at a position.
  static func gather(
    weights: [Int], of base: any TensorSource, _ inputs: MergeInputs,
    factors: @escaping @Sendable (Int) throws -> Factors
  ) throws -> [BlockStatistics] {
    let tiles = weights.enumerated().flatMap { position, index in
      Tile.tiles(of: base.tensors[index], weight: position)
    }
    var uses = [Int](repeating: 0, count: weights.count)
    for tile in tiles { uses[tile.weight] += 1 }
    let shared = SharedValues(uses: uses) { position in
      let factors = try factors(position)
      return (factors, gram(factors))
    }
    let total = weights.reduce(0) { $0 + base.tensors[$1].byteCount }
    let done = Atomic<Int>(0)
    let sums = try Parallel.map(tiles.count, threads: inputs.threads) { task in
      let tile = tiles[task]
      let reference = TensorReference(source: base, index: weights[tile.weight])
      let sums = try shared.use(tile.weight) { factors, gram in
        try TileSums(tile, reference, factors, gram, allowsNonFinite: inputs.allowsNonFinite)
      }
      let count = tile.byteCount(reference.info)
      try inputs.progress(done.wrappingAdd(count, ordering: .relaxed).newValue, total)
      return sums
    }
    return TileSums.combined(sums, count: weights.count)
  }

  /// `⟨Lᵀ L, R_k R_lᵀ⟩` for all k and l.
  static func gram(_ factors: Factors) -> [[Double]] {
    let left = factors.leftTransposed.rowGram
    let transposed = factors.rights.map(\.transposed)
    return factors.rights.map { right in transposed.map { left.dot(right.times($0)) } }
  }
}

/// Some whole rows of a weight.
struct Tile: Sendable {
  let weight: Int
  let rows: Range<Int>

  /// Bytes of the stored weight that the rows take.
  func byteCount(_ info: TensorInfo) -> Int {
    rows.count * info.shape[1] * info.dtype.elementByteCount
  }

  static func tiles(of info: TensorInfo, weight: Int) -> [Tile] {
    let (rows, columns) = (info.shape[0], info.shape[1])
    let height = max(1, BaseStatistics.tileBytes / (8 * max(1, columns)))
    return stride(from: 0, to: rows, by: height).map {
      Tile(weight: weight, rows: $0..<min(rows, $0 + height))
    }
  }
}

/// What one tile adds to its weight's statistics.
struct TileSums: Sendable {
  private let weight: Int
  private let squaredNorm: Double
  private let cross: [Double]
  private let gram: [[Double]]

  init(
    _ tile: Tile, _ reference: TensorReference, _ factors: BaseStatistics.Factors,
    _ gram: [[Double]], allowsNonFinite: Bool
  ) throws {
    let info = reference.info
    let size = tile.byteCount(info)
    let raw = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      try reference.source.read(
        tensor: reference.index, at: size / tile.rows.count * tile.rows.lowerBound,
        into: UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(buffer)[..<size]))
      count = size
    }
    let w = Matrix(
      rows: tile.rows.count, columns: info.shape[1],
      values: raw.withUnsafeBytes { Conversion.float64(from: $0, dtype: info.dtype) })
    guard allowsNonFinite || w.isFinite else {
      throw MergeError.nonFiniteWeight(source: reference.source.label, weight: info.name)
    }
    let product = factors.leftTransposed.columns(tile.rows).times(w)
    weight = tile.weight
    squaredNorm = w.dot(w)
    cross = factors.rights.map { product.dot($0) }
    self.gram = gram
  }

  /// The statistics of all weights, tiles added in order.
  static func combined(_ sums: [TileSums], count: Int) -> [BlockStatistics] {
    var first = 0
    return (0..<count).map { weight in
      let end = sums[first...].firstIndex { $0.weight != weight } ?? sums.count
      defer { first = end }
      let own = sums[first..<end]
      return BlockStatistics(
        squaredNorm: own.reduce(0) { $0 + $1.squaredNorm },
        cross: (own.first?.cross ?? []).indices.map { k in own.reduce(0) { $0 + $1.cross[k] } },
        gram: own.first?.gram ?? [])
    }
  }
}

extension Matrix {
  /// Some neighbouring columns.
  fileprivate func columns(_ range: Range<Int>) -> Matrix {
    if range == 0..<columns { return self }
    return Matrix(
      rows: rows, columns: range.count,
      values: (0..<rows).flatMap {
        values[($0 * columns + range.lowerBound)..<($0 * columns + range.upperBound)]
      })
  }
}
