internal import Adapters
internal import ByteIO
internal import Synchronization
public import Tensors

/// A fold: how to run a plan.
///
/// Every thread works through tiles of about a mebibyte in strips that its cache holds: it reads
/// one, computes, writes, reads back and compares. Memory: `FoldPlan.peakMemory(threads:)`, whatever the size of the model. The
/// output has the same bits for every number of threads and on every CPU (Merging §6.1).
public struct Fold: Sendable {
  /// The most threads to use.
  public var threads: Int
  /// Whether NaN and infinities may be written into folded weights.
  public var allowsNonFinite: Bool

  /// Describes a run.
  public init(threads: Int, allowsNonFinite: Bool = false) {
    self.threads = threads
    self.allowsNonFinite = allowsNonFinite
  }

  /// Writes all tensors of a plan into a sink laid out as `plan.output`, each verified as soon as
  /// it is written (Merging §6.4). The caller commits the sink.
  ///
  /// - Parameter progress: called after every task, from any thread; an error it throws stops the
  ///   fold.
  /// - Throws: `FoldError`, errors of reading and writing.
  public func run(
    _ plan: FoldPlan, into sink: any TensorSink,
    progress: @escaping @Sendable (FoldProgress) throws -> Void = { _ in }
  ) throws -> FoldReport {
    precondition(sink.tensors == plan.output, "the sink is laid out differently")
    let total = plan.base.byteCount
    let done = Atomic<Int>(0)
    var uses = [Int](repeating: 0, count: plan.lora.blocks.count)
    for case .fold(_, let block) in plan.tasks.map(\.work) { uses[block] += 1 }
    let shared = SharedValues(uses: uses) { block in
      try FoldedBlock(plan, block)
    }
    let figures = try Parallel.map(
      plan.tasks.count, threads: threads, context: TileWorker.init
    ) { worker, position in
      let task = plan.tasks[position]
      let figures = try worker.run(task, plan, sink, shared)
      let count = task.byteCount(plan.base.tensors[task.tensor])
      let soFar = done.wrappingAdd(count, ordering: .relaxed).newValue
      try progress(FoldProgress(bytesDone: soFar, bytesTotal: total))
      return figures
    }
    return try report(plan, figures)
  }

  /// Adds the figures up and refuses what must not be published.
  private func report(_ plan: FoldPlan, _ figures: [TaskOutcome]) throws -> FoldReport {
    var sums = [TaskFigures](repeating: TaskFigures(), count: plan.lora.blocks.count)
    var norms = [Double](repeating: 0, count: plan.lora.blocks.count)
    var convertedOverflows: [Int: Int] = [:]
    for (task, outcome) in zip(plan.tasks, figures) {
      if outcome.figures.overflowed > 0, case .convert = task.work {
        convertedOverflows[task.tensor, default: 0] += outcome.figures.overflowed
      }
      guard case .fold(_, let block) = task.work else { continue }
      sums[block] += outcome.figures
      norms[block] = outcome.deltaNorm
    }
    let folded = plan.match.weights.enumerated().compactMap { block, weight in
      weight.map { (block: block, weight: $0) }
    }
    if !allowsNonFinite {
      func names(_ isAtFault: (TaskFigures) -> Bool) -> [TensorName] {
        folded.filter { isAtFault(sums[$0.block]) }.map { plan.base.tensors[$0.weight].name }
      }
      let broken = names(\.sawNonFinite)
      guard broken.isEmpty else {
        throw FoldError.nonFinite(base: plan.base.label, weights: broken)
      }
      let overflowed =
        names { $0.overflowed > 0 }
        + convertedOverflows.keys.sorted().map { plan.base.tensors[$0].name }
      if let first = overflowed.first, let index = plan.base.index(of: first) {
        throw FoldError.overflow(
          base: plan.base.label, weights: overflowed,
          elements: sums.reduce(0) { $0 + $1.overflowed } + convertedOverflows.values.reduce(0, +),
          dtype: plan.output[index].dtype)
      }
    }
    return FoldReport(
      blocks: folded.map { block, weight in
        let sum = sums[block]
        let info = plan.base.tensors[weight]
        return FoldFigures(
          block: plan.lora.blocks[block].name, weight: info.name, deltaNorm: norms[block],
          unchangedShare: Double(sum.unchanged) / Double(info.elementCount),
          realisedError: sum.deltaSquared == 0
            ? 0 : (sum.residualSquared / sum.deltaSquared).squareRoot())
      },
      tensorsChanged: folded.count, tensorsCopied: plan.base.tensors.count - folded.count,
      bytesWritten: plan.output.reduce(0) { $0 + $1.byteCount })
  }
}

/// What a task hands back.
struct TaskOutcome: Sendable {
  var figures = TaskFigures()
  /// `‖Δ‖` of the block, for fold tasks.
  var deltaNorm = 0.0
}

/// A block ready to be folded, shared by the tasks of its weight.
struct FoldedBlock: Sendable {
  let operands: FoldOperands
  /// The factors with the scaling in B, for verification.
  let exact: PlainFactors
  let deltaNorm: Double

  init(_ plan: FoldPlan, _ block: Int) throws {
    let factors = try plan.lora.factors(of: block)
    let scaling = plan.lora.blocks[block].scaling
    let weight = plan.match.weights[block].map { ($0, plan.base.tensors[$0].dtype) }
    let isSingle = weight.map { index, dtype in
      plan.output[index].dtype == dtype && (dtype == .f16 || dtype == .bf16)
    }
    exact = PlainFactors(a: factors.a, b: factors.b.scaled(by: scaling))
    operands = FoldOperands(exact, accumulatingInSingle: isSingle ?? false)
    deltaNorm = exact.productNorm
  }
}
