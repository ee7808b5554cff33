internal import Adapters
internal import ByteIO
internal import Folding
internal import Merging
internal import Safetensors
internal import Tensors

/// The statistics that a job's merges by weights know so far: by adapter and block.
struct KnownStatistics: Sendable {
  var byAdapter: [[BlockStatistics?]]

  init(_ adapters: [OpenedAdapter]) {
    byAdapter = adapters.map(\.nothingKnown)
  }

  /// Takes over what others know.
  mutating func add(_ other: KnownStatistics) {
    for (adapter, statistics) in other.byAdapter.enumerated() { add(statistics, of: adapter) }
  }

  /// Takes over what is known of an adapter's blocks.
  mutating func add(_ statistics: [BlockStatistics?], of adapter: Int) {
    for (block, statistics) in statistics.enumerated() {
      if let statistics { byAdapter[adapter][block] = statistics }
    }
  }

  /// Takes over what the run that just ended has measured.
  mutating func addMeasured(_ adapters: [OpenedAdapter]) {
    for (position, adapter) in adapters.enumerated() {
      if let deferred = adapter.deferred { byAdapter[position] = deferred.statistics }
    }
  }
}

extension FoldJob {
  /// Folds one shard into a writer, which the caller commits.
  ///
  /// Where a merge by weights needs statistics of weights in other shards that are not known yet, it
  /// reads those first.
  func fold(
    _ number: Int, into writer: SafetensorsWriter, _ known: inout KnownStatistics,
    on machine: FoldMachine, change: Fold.ChangeObserver? = nil,
    _ progress: @escaping @Sendable (FoldProgress) throws -> Void
  ) throws -> FoldReport {
    let tensors = layout.shards[number].tensors
    for (position, adapter) in adapters.enumerated() {
      guard let deferred = adapter.deferred else { continue }
      let missing = deferred.missing(
        for: Set(tensors), isKnown: known.byAdapter[position].map { $0 != nil })
      if !missing.isEmpty {
        known.add(try deferred.gather(missing, mergeInputs(on: machine)), of: position)
      }
      deferred.begin(known.byAdapter[position])
    }
    let report = try unsafe Fold(
      threads: machine.threads, allowsNonFinite: request.allowsNonFinite,
      verification: request.verification, change: change
    ).run(plan, tensors: tensors, into: writer, progress: progress)
    known.addMeasured(adapters)
    return report
  }

  func mergeInputs(on machine: FoldMachine) -> MergeInputs {
    var inputs = MergeInputs(
      base: base.source, profile: request.profile, allowsNonFinite: request.allowsNonFinite,
      threads: machine.threads)
    inputs.progress = machine.mergeProgress
    return inputs
  }

  /// What is known of the weights of one shard, for its record.
  func statistics(ofShard number: Int, _ known: KnownStatistics) -> KnownStatistics {
    var result = KnownStatistics(adapters)
    let tensors = Set(layout.shards[number].tensors)
    for (position, adapter) in adapters.enumerated() {
      for block in adapter.deferred?.blocks(in: tensors) ?? [] {
        result.byAdapter[position][block] = known.byAdapter[position][block]
      }
    }
    return result
  }

  /// Statistics as records carry them: for each adapter an object of block name to numbers.
  func json(of statistics: KnownStatistics) -> JSONValue {
    .array(
      zip(adapters, statistics.byAdapter).map { adapter, statistics in
        adapter.deferred?.merge.json(of: statistics) ?? .null
      })
  }

  /// Reads them back.
  ///
  /// - Returns: nil for anything else than `json(of:)` gives.
  func statistics(parsing json: JSONValue) -> KnownStatistics? {
    guard let parts = json.array, parts.count == adapters.count else { return nil }
    var result = KnownStatistics(adapters)
    for (position, (adapter, part)) in zip(adapters, parts).enumerated() {
      guard let deferred = adapter.deferred else { continue }
      guard let object = part.object else { return nil }
      for (block, info) in deferred.merge.adapter.blocks.enumerated() {
        guard let value = object[info.name.string] else { continue }
        guard let statistics = BlockStatistics(json: value) else { return nil }
        result.byAdapter[position][block] = statistics
      }
    }
    return result
  }
}
