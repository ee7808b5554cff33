internal import Adapters
internal import Dispatch
internal import Synchronization
package import Tensors

/// Walks the chains of a `StepwiseMerge` while statistics come in, from any thread in any order:
/// a block's `f*` follows as soon as its tiles are all there and those before it are known.
///
/// Tiles are added up in order of their rows and every number is made as the merge in one go makes
/// it, so results have the same bits. A thread that asks for a block's factors sleeps until they are
/// known. Where tasks are started in `merge.order`, and each adds its tile before it waits or waits
/// for nothing but earlier blocks, no thread waits for one that is not started. Whoever stops early
/// calls `stop(_:)`, which wakes all.
package final class WeightStatisticsCollector: Sendable {
  /// What is merged.
  package let merge: StepwiseMerge

  private let state: Mutex<State>

  /// Expects `tileCounts[n]` tiles of block n; 0 for blocks whose statistics come as a whole.
  package init(_ merge: StepwiseMerge, tileCounts: [Int]) {
    precondition(tileCounts.count == merge.adapter.blocks.count)
    self.merge = merge
    state = Mutex(State(merge, tileCounts))
    state.withLock { $0.advance(from: merge.order, merge) }
  }

  // MARK: Statistics coming in

  /// Takes the sums over one tile of a block's weight.
  ///
  /// - Parameters:
  ///   - number: the tile's place among `RowTiles.strips` of the weight; each comes once.
  ///   - factors: what it was measured against.
  package func add(_ sums: TileSums, tile number: Int, of block: Int, _ factors: MeasuringFactors) {
    state.withLock { state in
      precondition(state.tiles[block][number] == nil, "tile \(number) of block \(block) twice")
      state.tiles[block][number] = sums
      state.missingTiles[block] -= 1
      guard state.missingTiles[block] == 0 else { return }
      state.take(
        BlockStatistics(state.tiles[block].compactMap { $0 }, gram: factors.gram), of: block, merge)
      state.tiles[block] = []
    }
  }

  /// Takes the statistics of a block that were gathered elsewhere.
  package func add(_ statistics: BlockStatistics, of block: Int) {
    state.withLock { state in
      precondition(state.tiles[block].isEmpty, "block \(block) is expected tile by tile")
      state.take(statistics, of: block, merge)
    }
  }

  /// Wakes every thread that waits, and lets all who ask from now on fail with the error; the first
  /// one counts.
  package func stop(_ error: any Error) {
    state.withLock { $0.stop(error) }
  }

  /// Runs a part of the work; an error of it stops all.
  package func stoppingOnError<Result>(_ body: () throws -> Result) rethrows -> Result {
    do {
      return try body()
    } catch {
      stop(error)
      throw error
    }
  }

  // MARK: Results

  /// How a block's factors are combined, its own norm left out; waits for the blocks before it.
  ///
  /// - Throws: `MergeError.zeroNorm`, `MergeError.nonFiniteFactor` of this or an earlier block; what
  ///   `stop(_:)` was called with.
  package func merge(of block: Int) throws -> BlockMerge {
    while true {
      let (known, semaphore): (BlockMerge?, DispatchSemaphore?) = try state.withLock { state in
        if let failure = state.failure { throw failure }
        if let known = state.settled[block] { return (known, nil) }
        let semaphore = DispatchSemaphore(value: 0)
        state.waiting[block, default: []].append(semaphore)
        return (nil, semaphore)
      }
      if let known { return known }
      semaphore?.wait()
    }
  }

  /// The figures of all blocks, once all statistics are in.
  ///
  /// - Throws: as `merge(of:)`.
  package func merges() throws -> [BlockMerge] {
    try state.withLock { state in
      if let failure = state.failure { throw failure }
      precondition(state.norms.allSatisfy { $0 != nil }, "statistics are missing")
      return state.measured.compactMap { $0 }
    }
  }

  /// The statistics of all blocks that are complete.
  package var statistics: [BlockStatistics?] { state.withLock { $0.statistics } }
}

/// What is known so far.
private struct State: Sendable {
  /// Tiles of blocks that are not complete.
  var tiles: [[TileSums?]]
  var missingTiles: [Int]
  var statistics: [BlockStatistics?]
  /// Factors, the block's own norm not among the figures.
  var settled: [BlockMerge?]
  /// The same with the norm.
  var measured: [BlockMerge?]
  var norms: [Double?]
  /// How many prerequisites of a block have no norm yet.
  var unknown: [Int]
  /// The blocks that each one is a prerequisite of.
  let dependents: [[Int]]
  var waiting: [Int: [DispatchSemaphore]] = [:]
  var failure: (any Error)?

  init(_ merge: StepwiseMerge, _ tileCounts: [Int]) {
    let count = tileCounts.count
    tiles = tileCounts.map { [TileSums?](repeating: nil, count: $0) }
    missingTiles = tileCounts
    statistics = [BlockStatistics?](repeating: nil, count: count)
    settled = [BlockMerge?](repeating: nil, count: count)
    measured = settled
    norms = [Double?](repeating: nil, count: count)
    var dependents = [[Int]](repeating: [], count: count)
    var unknown = [Int](repeating: 0, count: count)
    for block in 0..<count {
      for prerequisite in merge.prerequisites(of: block) {
        dependents[prerequisite].append(block)
        unknown[block] += 1
      }
    }
    self.dependents = dependents
    self.unknown = unknown
  }

  mutating func take(_ new: BlockStatistics, of block: Int, _ merge: StepwiseMerge) {
    precondition(statistics[block] == nil, "statistics of block \(block) twice")
    statistics[block] = new
    advance(from: [block], merge)
  }

  /// Makes the factors of blocks whose prerequisites are known, the norms of those whose statistics
  /// are there too, and so on with the blocks after them.
  mutating func advance(from blocks: [Int], _ merge: StepwiseMerge) {
    var next = blocks
    while failure == nil, let block = next.popLast() {
      guard unknown[block] == 0 else { continue }
      guard let factors = settled[block] ?? settle(block, merge) else { return }
      guard let own = statistics[block], norms[block] == nil else { continue }
      let result = merge.measured(factors, of: block, own)
      measured[block] = result
      norms[block] = result.foldedNorm
      for dependent in dependents[block] { unknown[dependent] -= 1 }
      next += dependents[block]
    }
  }

  /// The factors of a block; nil where there are none, which stops all.
  private mutating func settle(_ block: Int, _ merge: StepwiseMerge) -> BlockMerge? {
    do {
      let factors = try merge.merge(block, norms: norms)
      guard merge.allowsNonFinite || factors.alpha.allSatisfy(\.isFinite) else {
        throw MergeError.nonFiniteFactor(blocks: [merge.adapter.blocks[block].name])
      }
      settled[block] = factors
      for semaphore in waiting.removeValue(forKey: block) ?? [] { semaphore.signal() }
      return factors
    } catch {
      stop(error)
      return nil
    }
  }

  mutating func stop(_ error: any Error) {
    if failure == nil { failure = error }
    for semaphores in waiting.values {
      for semaphore in semaphores { semaphore.signal() }
    }
    waiting = [:]
  }
}
