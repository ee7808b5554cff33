internal import Adapters
internal import ByteIO
internal import Synchronization
internal import Tensors

/// One pass over base weights that gathers `BlockStatistics`, without forming any `B A`.
///
/// Weights are read in the strips of `RowTiles`, each by one thread; a tile's sums depend on
/// nothing but the weight and the factors, and are added up in order, so results have the same bits
/// for every number of threads. Memory: per thread a tile; besides, the factors of the few blocks in
/// work.
enum BaseStatistics {
  /// Statistics for `s B A`, and for ms with the predecessors' A as well: of the base where it is
  /// given, else those that the adapter carries.
  static func ofLinkedFactors(
    _ adapter: Adapter, _ inputs: MergeInputs
  ) throws -> [BlockStatistics] {
    if inputs.base == nil { return try stored(with: adapter, inputs) }
    return try gather(adapter, inputs) {
      try linkedFactors(adapter, $0, allowingNonFinite: inputs.allowsNonFinite)
    }
  }

  /// A block's B, its own A and, for ms, those of its predecessors.
  static func linkedFactors(
    _ adapter: Adapter, _ position: Int, allowingNonFinite: Bool
  ) throws -> MeasuringFactors {
    MeasuringFactors(
      left: try adapter.blocks[position].b.load(allowingNonFinite: allowingNonFinite),
      rights: try linked(adapter, position).map {
        try adapter.blocks[$0].a.load(allowingNonFinite: allowingNonFinite)
      })
  }

  /// Statistics for `(B A)ᵀ`.
  static func ofTransposedFactors(
    _ adapter: Adapter, _ inputs: MergeInputs
  ) throws -> [BlockStatistics] {
    try gather(adapter, inputs) { position in
      let block = adapter.blocks[position]
      return MeasuringFactors(
        left: try block.a.load(allowingNonFinite: inputs.allowsNonFinite).transposed,
        rights: [try block.b.load(allowingNonFinite: inputs.allowsNonFinite).transposed])
    }
  }

  private static func gather(
    _ adapter: Adapter, _ inputs: MergeInputs,
    _ factors: @escaping @Sendable (Int) throws -> MeasuringFactors
  ) throws -> [BlockStatistics] {
    guard let base = inputs.base else { throw MergeError.missingBase }
    let match = try BaseMatch(
      adapter.blocks.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: false)
    return try gather(weights: match.weights, of: base, inputs, factors: factors)
      .compactMap { $0 }
  }

  /// Statistics of the numbered weights, nil for those that are nil; `factors` gives those of the
  /// weight at a position.
  static func gather(
    weights: [Int?], of base: any TensorSource, _ inputs: MergeInputs,
    factors: @escaping @Sendable (Int) throws -> MeasuringFactors
  ) throws -> [BlockStatistics?] {
    let tiles = weights.enumerated().flatMap { position, index in
      index.map { Tile.tiles(of: $0, base.tensors[$0], position: position) } ?? []
    }
    var uses = [Int](repeating: 0, count: weights.count)
    for tile in tiles { uses[tile.position] += 1 }
    let shared = SharedValues(uses: uses, make: factors)
    let total = weights.reduce(0) { $0 + ($1.map { base.tensors[$0].byteCount } ?? 0) }
    let done = Atomic<Int>(0)
    let sums = try Parallel.map(
      tiles.count, threads: inputs.threads,
      context: { AlignedBuffer(byteCount: RowTiles.stripBytes) }
    ) { buffer, task in
      let tile = tiles[task]
      let weight = TensorReference(source: base, index: tile.weight)
      let sums = try shared.use(tile.position) { factors in
        let sums = try tile.sums(of: weight, factors, &buffer)
        guard inputs.allowsNonFinite || sums.isFinite else {
          throw MergeError.nonFiniteWeight(source: base.label, weight: weight.info.name)
        }
        return (sums, factors.gram)
      }
      let count = tile.byteCount(weight.info)
      try inputs.progress(done.wrappingAdd(count, ordering: .relaxed).newValue, total)
      return sums
    }
    var first = 0
    return uses.map { count in
      defer { first += count }
      let own = sums[first..<(first + count)]
      return own.first.map { BlockStatistics(own.map(\.0), gram: $0.1) }
    }
  }
}

/// Some whole rows of a weight.
private struct Tile: Sendable {
  /// The weight's number in the base.
  let weight: Int
  /// The block's position.
  let position: Int
  let rows: Range<Int>

  /// Bytes of the stored weight that the rows take.
  func byteCount(_ info: TensorInfo) -> Int { rows.count * Tile.rowBytes(info) }

  /// Reads the rows and sums them up.
  func sums(
    of weight: TensorReference, _ factors: MeasuringFactors, _ buffer: inout AlignedBuffer
  ) throws -> TileSums {
    let info = weight.info
    let count = byteCount(info)
    if unsafe buffer.bytes.count < count { buffer = AlignedBuffer(byteCount: count) }
    let bytes = unsafe buffer.prefix(count)
    try unsafe weight.source.read(
      tensor: weight.index, at: rows.lowerBound * Tile.rowBytes(info), into: bytes)
    return unsafe factors.sums(of: UnsafeRawBufferPointer(bytes), dtype: info.dtype, rows: rows)
  }

  static func tiles(of weight: Int, _ info: TensorInfo, position: Int) -> [Tile] {
    RowTiles.strips(rows: info.shape[0], rowBytes: rowBytes(info)).map {
      Tile(weight: weight, position: position, rows: $0)
    }
  }

  private static func rowBytes(_ info: TensorInfo) -> Int {
    info.shape[1] * info.dtype.elementByteCount
  }
}
