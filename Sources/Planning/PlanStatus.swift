internal import ByteIO

/// How far a plan is: of every task what became of it (Plans §6).
public struct PlanStatus: Sendable {
  /// What became of a task.
  public enum State: String, Sendable, CaseIterable {
    /// Its result is there.
    case done
    /// It runs.
    case running
    /// It ended with an error.
    case failed
    /// It began and ended without a word: the cluster does not have it any more, or it has noted nothing
    /// for `TaskRecord.patience`, so that its machine is gone, or hangs.
    case lost
    /// It has not begun.
    case waiting
  }

  /// Of every task by its number.
  public let states: [State]
  /// What the tasks noted, by their numbers.
  public let records: [TaskRecord?]
  /// Whether the output has its name.
  public let isFinished: Bool
  /// The tasks.
  public let tasks: [PlannedTask]
  /// The tasks that a cluster had, waiting or running; nil where it was given none.
  public let queued: Set<Int>?

  /// Bytes that are done: of tasks that are, all; of those that run, what they say.
  public var bytesDone: Int {
    zip(tasks, zip(states, records)).reduce(0) { sum, task in
      switch task.1.0 {
      case .done: sum + task.0.work
      case .running: sum + min(task.1.1?.bytesDone ?? 0, task.0.work)
      default: sum
      }
    }
  }

  /// Bytes of all tasks.
  public var bytesTotal: Int { tasks.reduce(0) { $0 + $1.work } }

  /// Bytes a second since the first task began, where any has.
  public var rate: Double? {
    guard let first = records.compactMap({ $0?.started }).min(),
      let last = records.compactMap({ $0?.updated }).max(), last > first
    else { return nil }
    return Double(bytesDone) / Double(last - first)
  }

  /// The tasks in a state.
  public func numbers(_ wanted: State...) -> [Int] {
    states.indices.filter { wanted.contains(states[$0]) }
  }

  /// What is neither done nor on its way. Without a cluster, tasks that wait are on theirs.
  public var missing: [Int] {
    numbers(.failed, .lost, .waiting).filter { number in
      queued.map { !$0.contains(number) } ?? (states[number] != .waiting)
    }
  }

  /// Whether nothing more will happen by itself.
  public var isStuck: Bool {
    if isFinished || !numbers(.running).isEmpty { return false }
    return queued.map(\.isEmpty) ?? !missing.isEmpty
  }

  /// Looks at results and notes.
  ///
  /// - Parameter queued: the tasks that a cluster had just before, waiting or running; nil where it was
  ///   given none.
  /// - Throws: `PlanError.changedSince`, errors of reading.
  public init(_ plan: Plan, _ job: some PlannedJob, queued: Set<Int>?) throws {
    try plan.check(job)
    tasks = plan.tasks
    self.queued = queued
    let done = try job.finishedTasks(of: plan.path)
    isFinished = done.allSatisfy { $0 }
    let records = plan.tasks.indices.map { TaskRecord($0, of: plan.path) }
    self.records = records
    let now = WallClock.seconds
    states = tasks.indices.map { number in
      if done[number] { return .done }
      let record = records[number]
      switch record?.state {
      case nil: return .waiting
      // Its result is gone again, or of another plan.
      case .done: return .waiting
      case .failed: return .failed
      case .running:
        // One that was begun by hand is none of the cluster's.
        let isGone = record?.engineJob != nil && queued.map { !$0.contains(number) } ?? false
        return isGone || now - (record?.updated ?? 0) > TaskRecord.patience ? .lost : .running
      }
    }
  }
}
