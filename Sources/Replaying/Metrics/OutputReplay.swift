internal import Activations
internal import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Tensors

/// Measures what the linears put out, `X Wᵀ + Δ_res`, and the error of folded weights as stored
/// (Replay §3, §6).
///
/// Products over features are float32, sums over tokens and outputs float64. Memory: one tile of
/// inputs in float32, and for each thread 512 rows of the widest weight in float32 and their outputs
/// for 1,024 tokens, and 32 rows as stored and twice in float64.
struct OutputReplay {
  /// `Σ ‖X Wᵀ + Δ_res‖²` and, with folded weights, the sums behind their errors.
  struct Sums: Sendable {
    var output = 0.0
    var stored = 0.0
    var folded = 0.0

    mutating func add(_ other: Sums) {
      output += other.output
      stored += other.stored
      folded += other.folded
    }
  }

  /// What is known of a block over a tile, low-rank terms as `state · leftᵀ` with [tokens, ρ] and
  /// [out, ρ].
  struct Terms: Sendable {
    /// `Δ_res`
    let reference: (state: [Float], left: [Float], rank: Int)
    /// Where folded weights are measured: the factors A and s B of the merge, and `Δ_mer − Δ_res`,
    /// whose terms may cancel.
    let merged: (factors: PlainFactors, state: Matrix, left: Matrix)?
  }

  let adapter: Adapter
  let inputs: CapturedInputs
  let base: any TensorSource
  /// Each block's weight by its position in the base.
  let weights: [Int]
  /// The folded weights and each block's position in them.
  let folded: (source: any TensorSource, weights: [Int])?
  let allowsNonFinite: Bool
  let threads: Int
  private let blas: BLAS
  /// Kept from tile to tile: memory that is given back and taken again grows.
  private let room: IdlePool<StripRoom>

  init(
    _ adapter: Adapter, _ inputs: CapturedInputs, base: any TensorSource,
    folded: (any TensorSource)?, allowsNonFinite: Bool, threads: Int
  ) throws {
    func match(_ source: any TensorSource) throws -> [Int] {
      try BaseMatch(
        adapter.blocks.map(BaseMatch.Wanted.init), in: source, allowingUnmatched: false
      ).weights.compactMap { $0 }
    }
    self.adapter = adapter
    self.inputs = inputs
    self.base = base
    weights = try match(base)
    self.folded = try folded.map { ($0, try match($0)) }
    self.allowsNonFinite = allowsNonFinite
    self.threads = threads
    blas = try BLAS.load()
    let features = adapter.blocks.map(\.inFeatures).max() ?? 0
    room = IdlePool {
      StripRoom(
        rows: OutputReplay.stripRows, features: features, tokens: OutputReplay.stripTokens)
    }
  }

  /// The bytes that a pass over some tokens reads, `tiles` tiles of them.
  func bytesRead(blocks: [Int], tiles: Int) -> Int {
    let matrices = Set(blocks.map { inputs.matrixOfBlock[$0] })
    let rows = matrices.reduce(0) { $0 + inputs.rowBytes(of: $1) * inputs.tokens }
    let stored = blocks.reduce(0) { sum, block in
      sum + base.tensors[weights[block]].byteCount
        + (folded.map { $0.source.tensors[$0.weights[block]].byteCount } ?? 0)
    }
    return rows + stored * tiles
  }

  private static let stripRows = 512
  private static let stripTokens = 1024

  /// The sums of blocks that share a matrix of inputs, over one tile of tokens.
  ///
  /// - Parameter x: room for the tile's inputs in float32.
  /// - Throws: `ReplayError.nonFiniteOutput`, errors of reading, what `progress` throws.
  func sums(
    _ blocks: [Int], rows: Range<Int>, x: AlignedBuffer, _ terms: [Terms],
    progress: @Sendable (_ bytes: Int) throws -> Void
  ) throws -> [Sums] {
    let matrix = inputs.matrixOfBlock[blocks[0]]
    let x = unsafe SharedTarget<Float>(x.elements())
    try inputs.float32(of: matrix, rows: rows, into: x, threads: threads)
    try progress(rows.count * inputs.rowBytes(of: matrix))
    let tasks = blocks.indices.flatMap { position in
      (0..<adapter.blocks[blocks[position]].outFeatures).pieces(of: OutputReplay.stripRows)
        .map { (position, $0) }
    }
    let results = try Parallel.map(tasks.count, threads: threads) { [tasks] task in
      let (position, outputs) = tasks[task]
      return try room.use { room in
        try unsafe measure(
          blocks[position], outputs, UnsafePointer(x.start), rows.count, terms[position], room,
          progress)
      }
    }
    var sums = [Sums](repeating: Sums(), count: blocks.count)
    for ((position, _), result) in zip(tasks, results) { sums[position].add(result) }
    return sums
  }

  /// The sums over some outputs of a block.
  private func measure(
    _ block: Int, _ outputs: Range<Int>, _ x: UnsafePointer<Float>, _ tokens: Int, _ terms: Terms,
    _ room: StripRoom, _ progress: @Sendable (_ bytes: Int) throws -> Void
  ) throws -> Sums {
    var sums = Sums()
    let weight = TensorReference(source: base, index: weights[block])
    let features = weight.info.shape[1]
    func product(_ range: Range<Int>) {
      unsafe blas.timesTransposed(
        MatrixView(x + range.lowerBound * features, stride: features),
        MatrixView(room.weights.elements(), stride: features), m: range.count, n: outputs.count,
        k: features, into: room.outputs.elements(), stride: outputs.count)
    }
    try progress(try room.load(weight, outputs))
    for range in (0..<tokens).pieces(of: OutputReplay.stripTokens) {
      product(range)
      room.add(
        blas, terms.reference.state, terms.reference.left, terms.reference.rank, tokens: range,
        outputs: outputs)
      sums.output += room.squares(range.count * outputs.count)
    }
    guard allowsNonFinite || sums.output.isFinite else {
      throw ReplayError.nonFiniteOutput(source: base.label, weight: weight.info.name)
    }
    guard let folded, let merged = terms.merged else { return sums }
    let stored = TensorReference(source: folded.source, index: folded.weights[block])
    try progress(
      try room.loadRoundingErrors(of: stored, weight, outputs, merged.factors, blas))
    for range in (0..<tokens).pieces(of: OutputReplay.stripTokens) {
      product(range)
      sums.stored += room.squares(range.count * outputs.count)
      sums.folded += room.squares(
        plus: merged.state, merged.left, tokens: range, outputs: outputs, blas)
    }
    guard allowsNonFinite || sums.folded.isFinite else {
      throw ReplayError.nonFiniteOutput(source: folded.source.label, weight: stored.info.name)
    }
    return sums
  }
}
