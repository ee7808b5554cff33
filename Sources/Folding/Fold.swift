internal import Adapters
internal import ByteIO
internal import Synchronization
public import Tensors

/// A fold: how to run a plan, or a part of it.
///
/// Every thread works through tiles of about a mebibyte in strips that its cache holds: it reads one,
/// computes, writes, reads back and compares. Memory: `FoldPlan.peakMemory(threads:)`, whatever the size of the model. The
/// output has the same bits for every number of threads and on every CPU (Folding §3).
@safe public struct Fold: Sendable {
  /// The most threads to use.
  public var threads: Int
  /// Whether NaN and infinities may be written into folded weights.
  public var allowsNonFinite: Bool
  /// How much of the arithmetic is done twice.
  public var verification: Verification
  /// Told of every span of a tensor that changes, before it is written; from any thread.
  public var change: ChangeObserver?
  /// Whether everything is done but writing: what a fold would do, and whether it may.
  package var isRehearsal = false

  /// How much of what was computed is confirmed by float64 arithmetic of its own (Folding §5.2).
  public enum Verification: String, Sendable, CaseIterable {
    /// One row of every tile.
    case sample
    /// Every row.
    case full
  }

  /// Takes in a change: the tensor's position in the base, the offset in it, and the stored bytes.
  public typealias ChangeObserver =
    @Sendable (
      _ tensor: Int, _ offset: Int, _ before: UnsafeRawBufferPointer,
      _ after: UnsafeRawBufferPointer
    ) throws -> Void

  /// Describes a run.
  public init(
    threads: Int, allowsNonFinite: Bool = false, verification: Verification = .sample,
    change: ChangeObserver? = nil
  ) {
    self.threads = threads
    self.allowsNonFinite = allowsNonFinite
    self.verification = verification
    unsafe self.change = change
  }

  /// Writes tensors of a plan into a sink, each verified as soon as it is written (Folding §5). The
  /// caller commits the sink.
  ///
  /// - Parameters:
  ///   - tensors: the tensors' positions in the base, in the order of the sink's; nil for all that
  ///     the output has.
  ///   - progress: called after every piece, from any thread; an error it throws stops the fold.
  /// - Throws: `FoldError`, errors of reading and writing.
  public func run(
    _ plan: FoldPlan, tensors: [Int]? = nil, into sink: any TensorSink,
    progress: @escaping @Sendable (FoldProgress) throws -> Void = { _ in }
  ) throws -> FoldReport {
    let tensors = tensors ?? plan.output.indices.filter { plan.output[$0] != nil }
    precondition(
      sink.tensors == tensors.map { plan.output[$0] }, "the sink is laid out differently")
    return try run(plan, plan.pieces(of: tensors), tensors, into: sink, progress: progress)
  }

  /// Writes some groups' pieces of a plan that keeps the base's tensors where they are.
  package func run(
    _ plan: FoldPlan, _ group: FoldGroup, into sink: any TensorSink,
    progress: @escaping @Sendable (FoldProgress) throws -> Void = { _ in }
  ) throws {
    _ = try run(
      plan, group.pieces, Array(plan.base.tensors.indices), into: sink, progress: progress)
  }

  private func run(
    _ plan: FoldPlan, _ pieces: [FoldPiece], _ tensors: [Int], into sink: any TensorSink,
    progress: @escaping @Sendable (FoldProgress) throws -> Void
  ) throws -> FoldReport {
    let pieces = plan.scheduled(pieces, threads: threads)
    let run = FoldRun(plan, tensors, pieces, sink, self)
    let total = pieces.reduce(0) { $0 + $1.byteCount(plan) }
    let done = Atomic<Int>(0)
    let outcomes = try Parallel.map(
      pieces.count, threads: threads, context: TileWorker.init
    ) { worker, position in
      do {
        let outcome = try worker.run(pieces[position], run)
        let soFar = done.wrappingAdd(
          pieces[position].byteCount(plan), ordering: .relaxed
        ).newValue
        try progress(FoldProgress(bytesDone: soFar, bytesTotal: total))
        return outcome
      } catch {
        for input in plan.inputs { input.stop?(error) }
        throw error
      }
    }
    let report = FoldReport(plan, tensors, pieces, outcomes)
    if !allowsNonFinite { try report.refuseNonFinite(plan) }
    return report
  }
}
