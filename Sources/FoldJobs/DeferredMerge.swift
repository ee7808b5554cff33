internal import Adapters
internal import ByteIO
internal import Folding
internal import Merging
internal import Synchronization
internal import Tensors

/// A merge by weights whose factors come out of the pass that folds (Folding §3.4): every piece of a
/// weight is measured before it is folded, and a block is folded once those before it in its chain
/// are measured.
final class DeferredMerge: Sendable {
  let merge: StepwiseMerge
  private let base: any TensorSource
  private let state = Mutex<State?>(nil)

  /// What one run has: begun anew for each.
  private struct State: Sendable {
    let collector: WeightStatisticsCollector
    let factors: SharedValues<MeasuringFactors>
    let lora: StepwiseLoRA
    /// Blocks whose statistics come whole.
    let isKnown: [Bool]
  }

  init(_ merge: StepwiseMerge, _ base: any TensorSource) {
    self.merge = merge
    self.base = base
  }

  /// The adapter as an input of the plan, its updates in the order in which they become known.
  func input(label: String, weight: Double) -> FoldInput {
    let order = merge.order
    let updates = order.map { block -> WeightUpdate in
      let info = merge.adapter.blocks[block]
      return WeightUpdate(
        module: info.name, shape: [info.outFeatures, info.inFeatures],
        action: .add { _ in try self.delta(of: block) }, kind: "LoRA",
        loadedElements: info.rank * (info.inFeatures + info.outFeatures))
    }
    return unsafe FoldInput(
      label: label, updates: updates, weight: weight, generations: order.map(merge.depth(of:)),
      observe: { update, tile, rows, elements in
        try unsafe self.measure(order[update], tile, rows, elements)
      }, stop: { self.stop($0) })
  }

  private func delta(of block: Int) throws -> WeightDelta {
    let lora = current.lora
    let factors = try lora.factors(of: block)
    return .product(
      PlainFactors(a: factors.a, b: factors.b.scaled(by: lora.blocks[block].scaling)))
  }

  private func measure(
    _ block: Int, _ tile: Int, _ rows: Range<Int>, _ elements: UnsafeRawBufferPointer
  ) throws {
    let state = current
    if state.isKnown[block] { return }
    guard let weight = weights.withLock({ $0[block] }) else { return }
    try state.factors.use(block) { factors in
      let sums = try unsafe merge.sums(
        of: elements, rows: rows, of: TensorReference(source: base, index: weight), factors)
      state.collector.add(sums, tile: tile, of: block, factors)
    }
  }

  private let weights = Mutex<[Int?]>([])

  private var current: State {
    guard let state = state.withLock({ $0 }) else {
      preconditionFailure("a merge that has not begun")
    }
    return state
  }

  // MARK: Running

  /// Takes in which weight each update belongs to, as the plan matched them.
  func setWeights(ofUpdates updates: [Int?]) {
    weights.withLock { weights in
      weights = [Int?](repeating: nil, count: merge.order.count)
      for (position, weight) in updates.enumerated() { weights[merge.order[position]] = weight }
    }
  }

  /// Begins a run in which the statistics of some blocks are known and those of others are measured.
  func begin(_ known: [BlockStatistics?]) {
    let weights = weights.withLock { $0 }
    let tiles = weights.indices.map { block in
      guard known[block] == nil, let weight = weights[block] else { return 0 }
      let info = base.tensors[weight]
      return RowTiles.strips(
        rows: info.shape[0], rowBytes: info.shape[1] * info.dtype.elementByteCount
      ).count
    }
    let collector = WeightStatisticsCollector(merge, tileCounts: tiles)
    for (block, statistics) in known.enumerated() {
      if let statistics { collector.add(statistics, of: block) }
    }
    let factors = SharedValues(uses: tiles) { [merge] in try merge.measuringFactors(of: $0) }
    state.withLock {
      $0 = State(
        collector: collector, factors: factors, lora: collector.lora,
        isKnown: known.map { $0 != nil })
    }
  }

  /// Lets every thread that waits for factors fail.
  func stop(_ error: any Error) { state.withLock { $0 }?.collector.stop(error) }

  /// The statistics that are complete, by block.
  var statistics: [BlockStatistics?] { current.collector.statistics }

  /// The blocks that folding some weights needs statistics of and that are not among those weights.
  func missing(for tensors: Set<Int>, isKnown: [Bool]) -> [Int] {
    let own = blocks(in: tensors)
    var needed: Set<Int> = []
    // What a block needs, its prerequisites need in turn.
    var next = own
    while let block = next.popLast() {
      for other in merge.prerequisites(of: block) where needed.insert(other).inserted {
        next.append(other)
      }
    }
    return needed.subtracting(own).filter { !isKnown[$0] }.sorted()
  }

  /// Reads the weights of some blocks for their statistics.
  ///
  /// - Throws: `MergeError`, errors of reading.
  func gather(_ blocks: [Int], _ inputs: MergeInputs) throws -> [BlockStatistics?] {
    let weights = weights.withLock { $0 }
    var wanted = [Int?](repeating: nil, count: weights.count)
    for block in blocks { wanted[block] = weights[block] }
    return try merge.statistics(of: wanted, inputs)
  }

  /// The weight of a block, by its position in the base.
  func weight(of block: Int) -> Int? { weights.withLock { $0[block] } }

  /// The weights that are among some tensors.
  func weights(in tensors: Set<Int>) -> Set<Int> {
    Set(weights.withLock { $0 }.compactMap { $0 }).intersection(tensors)
  }

  /// The blocks whose weight is among some tensors.
  func blocks(in tensors: Set<Int>) -> [Int] {
    let weights = weights.withLock { $0 }
    return weights.indices.filter { block in weights[block].map(tensors.contains) ?? false }
  }
}
