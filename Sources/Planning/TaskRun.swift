internal import ByteIO
internal import Dispatch
internal import Synchronization
internal import Tensors

/// One run of one task, which notes how it fares in the plan's folder (Plans §3).
public struct TaskRun<Job: PlannedJob>: Sendable {
  /// The plan.
  public let plan: Plan
  /// The job that was made of it.
  public let job: Job

  /// Names a plan and the job that was made of it.
  ///
  /// - Throws: `PlanError.changedSince`.
  public init(_ plan: Plan, _ job: Job) throws {
    try plan.check(job)
    self.plan = plan
    self.job = job
  }

  /// Runs a task.
  ///
  /// - Returns: whether there was anything to do.
  /// - Throws: as `PlannedJob.run`.
  public func callAsFunction(
    _ number: Int, on machine: Job.Machine,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> Bool {
    try noting(number) { note in
      try job.run(task: number, of: plan.path, on: machine) { done, total in
        note(done, total)
        try progress(done, total)
      }
    }
  }

  /// Does what a task does, and notes how it fares.
  ///
  /// - Parameter body: given what to call with bytes done and all bytes.
  /// - Throws: `PlanError.noTask`; what `body` throws.
  public func noting<Result>(
    _ number: Int, _ body: (_ note: @escaping @Sendable (Int, Int) -> Void) throws -> Result
  ) throws -> Result {
    guard plan.tasks.indices.contains(number) else {
      throw PlanError.noTask(found: number, count: plan.tasks.count)
    }
    let notes = TaskNotes(number, of: plan)
    defer { notes.stop() }
    do {
      let result = try body { notes.update(share: Double($0) / Double(max($1, 1))) }
      notes.end(.done)
      return result
    } catch {
      notes.end(
        .failed, error: (error as? any DiagnosableError)?.description ?? "it was interrupted")
      throw error
    }
  }
}

/// Writes a task's record while it runs.
private final class TaskNotes: Sendable {
  private let number: Int
  private let plan: String
  private let work: Int
  private let record: Mutex<TaskRecord>
  private let bytesDone = Atomic<Int>(0)
  private let queue = DispatchQueue(label: "task notes")
  private let isOver = DispatchSemaphore(value: 0)

  init(_ number: Int, of plan: Plan) {
    self.number = number
    self.plan = plan.path
    work = plan.tasks[number].work
    let plan = plan.path
    let record = TaskRecord(after: TaskRecord(number, of: plan))
    self.record = Mutex(record)
    try? Paths.makeFolder(Paths.join(plan, TaskRecord.folderName))
    record.write(number, of: plan)
    guard Parallel.hasRoom(forThreads: 1) else { return }
    queue.async { [self] in
      while isOver.wait(timeout: .now() + .seconds(TaskRecord.interval)) == .timedOut { note() }
    }
  }

  func update(share: Double) {
    bytesDone.store(Int(share * Double(work)), ordering: .relaxed)
  }

  /// Notes how it ended.
  func end(_ state: TaskRecord.State, error: String? = nil) {
    record.withLock {
      $0.state = state
      $0.error = error
    }
    note()
  }

  /// No more notes after this.
  func stop() {
    isOver.signal()
    queue.sync {}
  }

  private func note() {
    record.withLock {
      $0.bytesDone = bytesDone.load(ordering: .relaxed)
      $0.updated = WallClock.seconds
      $0.write(number, of: plan)
    }
  }
}
