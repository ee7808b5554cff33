import ByteIO
import Synchronization
import Testing

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct ParallelTests {
  struct Failure: Error, Equatable {
    let task: Int
  }

  @Test(arguments: [0, 1, 2, 7, 1000], [-1, 0, 1, 2, 3, 16])
  func everyTaskRunsOnceAndResultsAreInOrder(tasks: Int, threads: Int) throws {
    let runs = Mutex([Int](repeating: 0, count: tasks))
    let squares = try Parallel.map(tasks, threads: threads) { task in
      runs.withLock { $0[task] += 1 }
      return task * task
    }
    #expect(runs.withLock { $0 } == [Int](repeating: 1, count: tasks))
    #expect(squares == (0..<tasks).map { $0 * $0 })
  }

  @Test func oneThreadRunsTasksInOrder() throws {
    let order = Mutex<[Int]>([])
    _ = try Parallel.map(50, threads: 1) { task in order.withLock { $0.append(task) } }
    #expect(order.withLock { $0 } == Array(0..<50))
  }

  /// A context that two tasks used at once would lose counts, and is made at most once a thread.
  @Test func everyThreadHasAContextOfItsOwn() throws {
    let made = Atomic<Int>(0)
    let makeContext: @Sendable () -> (id: Int, used: Int) = {
      (made.wrappingAdd(1, ordering: .relaxed).oldValue, 0)
    }
    let uses = try Parallel.map(90, threads: 3, context: makeContext) { context, _ in
      let before = context.used
      usleep(200)
      context.used = before + 1
      return (context.id, context.used)
    }
    #expect((1...3).contains(made.load(ordering: .relaxed)))
    for (id, used) in Dictionary(grouping: uses, by: \.0) {
      #expect((0..<3).contains(id))
      #expect(used.map(\.1) == Array(1...used.count))
    }
  }

  @Test func noMoreThreadsRunThanAllowed() throws {
    let running = Mutex((now: 0, most: 0))
    _ = try Parallel.map(60, threads: 2) { _ in
      running.withLock {
        $0.now += 1
        $0.most = max($0.most, $0.now)
      }
      usleep(500)
      running.withLock { $0.now -= 1 }
    }
    #expect(running.withLock { $0.most } <= 2)
  }

  @Test func afterAFailureNoTaskStarts() {
    let started = Mutex<[Int]>([])
    #expect(throws: Failure(task: 3)) {
      try Parallel.map(100, threads: 1) { task in
        started.withLock { $0.append(task) }
        if task == 3 { throw Failure(task: task) }
      }
    }
    #expect(started.withLock { $0 } == [0, 1, 2, 3])
  }

  @Test func runningTasksEndAfterAFailure() {
    let counts = Mutex((started: 0, ended: 0))
    #expect(throws: Failure(task: 0)) {
      try Parallel.map(10_000, threads: 4) { task in
        if task == 0 { throw Failure(task: 0) }
        counts.withLock { $0.started += 1 }
        usleep(1000)
        counts.withLock { $0.ended += 1 }
      }
    }
    let (started, ended) = counts.withLock { $0 }
    #expect(started == ended)
    #expect(started < 9999)
  }

  /// Task 0 fails after another has, where two threads run; its error is the one thrown.
  @Test func theLowestFailedTaskIsReported() {
    let others = Atomic<Int>(0)
    #expect(throws: Failure(task: 0)) {
      try Parallel.map(8, threads: 4) { task in
        if task == 0 {
          for _ in 0..<2000 where others.load(ordering: .relaxed) == 0 { usleep(500) }
        } else {
          others.wrappingAdd(1, ordering: .relaxed)
        }
        throw Failure(task: task)
      }
    }
  }

  @Test(arguments: 1...5)
  func everyTaskMayFail(threads: Int) {
    #expect(throws: Failure(task: 0)) {
      try Parallel.map(20, threads: threads) { task in throw Failure(task: task) }
    }
  }
}
