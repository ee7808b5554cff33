public import Activations
public import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Synchronization
public import Tensors

/// A replay: the forward pass with shortcuts on captured inputs, held against merges of it
/// (Replay §2, §3). Teacher-forced: each block sees its captured input, not what merged blocks
/// before it would have put out.
///
/// Blocks that share neither links nor inputs are replayed one group after the other. Memory, beside
/// the A of a group and of its merges in float64: 64 MiB for a tile of tokens, and for each thread
/// what `Projections` and `OutputReplay` say; the number of tokens and of groups does not matter.
public struct Replay: Sendable {
  /// The adapter.
  public var adapter: Adapter
  /// What is replayed.
  public var inputs: CapturedInputs
  /// The base weights, for errors relative to outputs; nil leaves those out.
  public var base: (any TensorSource)?
  /// Weights that the first candidate was folded into, to measure what rounding added.
  public var folded: (any TensorSource)?
  /// Whether a NaN or an infinity may enter a result.
  public var allowsNonFinite = false
  /// The most threads to use; results do not depend on it.
  public var threads = 1
  /// Called with the bytes read and to be read, from any thread; an error it throws stops the work.
  public var progress: @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }

  /// Describes a replay.
  public init(
    adapter: Adapter, inputs: CapturedInputs, base: (any TensorSource)? = nil,
    folded: (any TensorSource)? = nil
  ) {
    self.adapter = adapter
    self.inputs = inputs
    self.base = base
    self.folded = folded
  }

  /// Measures merges.
  ///
  /// - Throws: `ReplayError`, `CaptureError.nonFinite`, `BaseMatchError`, `LinearAlgebraError`,
  ///   errors of reading.
  public func run(_ candidates: [ReplayCandidate]) throws -> [ReplayResult] {
    if folded != nil, base == nil {
      throw ReplayError.foldedWithoutBase(folded: folded?.label ?? "")
    }
    return try BLAS.withoutOwnThreads(on: threads) {
      let outputs = try base.map {
        try OutputReplay(
          adapter, inputs, base: $0, folded: folded, allowsNonFinite: allowsNonFinite,
          threads: threads)
      }
      var measured = [Measured?](repeating: nil, count: adapter.blocks.count)
      let groups = inputs.groups(of: adapter)
      let counter = Counter(progress)
      counter.expect(groups.reduce(0) { $0 + expectedBytes($1, candidates, outputs) })
      for blocks in groups {
        for (block, result) in zip(blocks, try run(blocks, candidates, outputs, counter)) {
          measured[block] = result
        }
      }
      let all = measured.compactMap { $0 }
      return candidates.indices.map { index in
        ReplayResult(
          name: candidates[index].name, tokens: inputs.tokens,
          blocks: all.indices.map { report($0, all[$0], candidates[index], index) })
      }
    }
  }

  /// The sums of one block.
  private struct Measured {
    var deltas: DeltaReplay.Sums
    var outputs = OutputReplay.Sums()
  }

  private func expectedBytes(
    _ blocks: [Int], _ candidates: [ReplayCandidate], _ outputs: OutputReplay?
  ) -> Int {
    let merged = candidates.reduce(0) { sum, candidate in
      blocks.reduce(sum) { $0 + candidate.rank(of: $1) }
    }
    let tileRows = Projections.tileRows(
      width: ShortcutForward.width(adapter, blocks) + merged,
      besides: outputs == nil ? 0 : outputBytes(blocks))
    let tiles = (inputs.tokens + tileRows - 1) / tileRows
    let matrices = Set(blocks.map { inputs.matrixOfBlock[$0] })
    let rows = matrices.reduce(0) { $0 + inputs.rowBytes(of: $1) * inputs.tokens }
    return rows + (outputs?.bytesRead(blocks: blocks, tiles: tiles) ?? 0)
  }

  /// The bytes of a token's inputs in float32.
  private func outputBytes(_ blocks: [Int]) -> Int {
    4 * (blocks.map { adapter.blocks[$0].inFeatures }.max() ?? 0)
  }

  private func run(
    _ blocks: [Int], _ candidates: [ReplayCandidate], _ outputs: OutputReplay?, _ counter: Counter
  ) throws -> [Measured] {
    let deltas = try DeltaReplay(
      adapter, blocks: blocks, inputs, candidates, allowsNonFinite: allowsNonFinite,
      threads: threads)
    let outputBytes = outputs == nil ? 0 : outputBytes(blocks)
    let tileRows = deltas.projections.tileRows(besides: outputBytes)
    let x = outputs.map { _ in AlignedBuffer(byteCount: tileRows * outputBytes) }
    let byMatrix = Dictionary(grouping: blocks.indices) { inputs.matrixOfBlock[blocks[$0]] }
      .sorted { $0.key < $1.key }
    var measured = blocks.map { _ in
      Measured(deltas: DeltaReplay.Sums(deltas: candidates.map { _ in DeltaSums() }))
    }
    try deltas.projections.run(
      tileRows: tileRows, threads: threads, allowsNonFinite: allowsNonFinite,
      progress: { try counter.add($0) }
    ) { tile in
      for (position, sums) in try deltas.sums(over: tile, threads: threads).enumerated() {
        guard allowsNonFinite || sums.isFinite else {
          throw ReplayError.nonFiniteTerm(
            source: inputs.label, block: adapter.blocks[blocks[position]].name)
        }
        measured[position].deltas.add(sums)
      }
      guard let outputs, let x else { return }
      for (_, positions) in byMatrix {
        let terms = try positions.map { try self.terms($0, deltas, candidates, tile) }
        let sums = try outputs.sums(
          positions.map { blocks[$0] }, rows: tile.rows, x: x, terms,
          progress: { try counter.add($0) })
        for (position, sums) in zip(positions, sums) { measured[position].outputs.add(sums) }
      }
    }
    return measured
  }

  /// The low-rank terms of a block over a tile.
  private func terms(
    _ position: Int, _ deltas: DeltaReplay, _ candidates: [ReplayCandidate],
    _ tile: Projections.Tile
  ) throws -> OutputReplay.Terms {
    func float32(_ matrix: Matrix) -> [Float] { matrix.values.map { Float($0) } }
    let block = deltas.forward.blocks[position]
    let left = try deltas.forward.left(of: block, allowsNonFinite: allowsNonFinite)
    let state = deltas.forward.state(of: block, in: tile)
    let reference = (float32(state), float32(left), left.columns)
    guard folded != nil, let candidate = candidates.first else {
      return OutputReplay.Terms(reference: reference, merged: nil)
    }
    let factors = try candidate.factors(of: block)
    let scaled = PlainFactors(
      a: factors.a, b: factors.b.scaled(by: candidate.scaling(of: block)))
    return OutputReplay.Terms(
      reference: reference,
      merged: (
        scaled,
        state: .stackedColumns([deltas.mergedState(of: position, 0, in: tile), state]),
        left: .stackedColumns([scaled.b, left.scaled(by: -1)])
      ))
  }

  private func report(
    _ block: Int, _ measured: Measured, _ candidate: ReplayCandidate, _ index: Int
  ) -> BlockReplay {
    let sums = measured.deltas.deltas[index]
    let isFolded = folded != nil && index == 0
    return BlockReplay(
      name: adapter.blocks[block].name,
      deltaError: ratio(sums.residual, sums.reference),
      outputError: base.flatMap { _ in ratio(sums.residual, measured.outputs.output) },
      maxTokenError: sums.largestRatio?.squareRoot(),
      cosine: sums.reference > 0 && sums.merged > 0
        ? sums.cross / (sums.reference.squareRoot() * sums.merged.squareRoot()) : nil,
      alpha: candidate.alpha[block],
      oracleAlpha: adapter.hasMergeFactor(block) ? measured.deltas.oracle.alpha : nil,
      referenceNorm: sums.reference.squareRoot(),
      storedError: isFolded ? ratio(measured.outputs.stored, sums.reference) : nil,
      foldedError: isFolded ? ratio(measured.outputs.folded, sums.reference) : nil)
  }

  /// The root of a quotient of squares; nil where only the denominator is 0.
  private func ratio(_ numerator: Double, _ denominator: Double) -> Double? {
    if denominator > 0 { return (numerator / denominator).squareRoot() }
    return numerator == 0 ? 0 : nil
  }
}

/// Adds up bytes that several threads have read.
private final class Counter: Sendable {
  private let done = Atomic<Int>(0)
  private let total = Atomic<Int>(0)
  private let progress: @Sendable (Int, Int) throws -> Void

  init(_ progress: @escaping @Sendable (Int, Int) throws -> Void) { self.progress = progress }

  func expect(_ bytes: Int) { total.wrappingAdd(bytes, ordering: .relaxed) }

  func add(_ bytes: Int) throws {
    let sum = done.wrappingAdd(bytes, ordering: .relaxed).newValue
    try progress(min(sum, total.load(ordering: .relaxed)), total.load(ordering: .relaxed))
  }
}
