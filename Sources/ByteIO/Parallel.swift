internal import Dispatch
internal import Synchronization

/// Runs numbered tasks on several threads.
package enum Parallel {
  /// The number of cores that are on.
  package static var availableThreads: Int { SystemCalls.coreCount() }

  /// The bytes of memory the machine has.
  package static var memoryByteCount: Int { SystemCalls.memoryByteCount() }

  /// Whether there is room for that much more memory: for what can't fail, and waits or aborts instead.
  package static func hasRoom(forBytes count: Int) -> Bool { SystemCalls.hasAddressSpace(count) }

  /// Whether there is room for the stacks of so many more threads; Dispatch would wait for it for ever.
  package static func hasRoom(forThreads count: Int) -> Bool {
    count == 0 || hasRoom(forBytes: count * 16 << 20)
  }

  /// The results of `body` for every task from 0 up to `count`, started in order of number on at
  /// most `threads` threads at once. Each thread makes a context of its own for its tasks.
  ///
  /// After the first error no new task starts; the error of the lowest-numbered failed task is
  /// thrown when all have stopped. Results must not depend on which thread runs a task. The caller's
  /// `ReadingLimits` hold in every thread.
  package static func map<Context, Result: Sendable>(
    _ count: Int, threads: Int, context: @Sendable () -> Context,
    _ body: @Sendable (inout Context, Int) throws -> Result
  ) throws -> [Result] {
    let next = Atomic<Int>(0)
    let failure = Mutex<(task: Int, error: any Error)?>(nil)
    let results = Mutex<[Result?]>([Result?](repeating: nil, count: count))
    let limits = ReadingLimits.current
    @Sendable func work() {
      var own = context()
      while true {
        let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard task < count else { return }
        do {
          let result = try body(&own, task)
          results.withLock { $0[task] = result }
        } catch {
          failure.withLock {
            if task < $0?.task ?? Int.max { $0 = (task, error) }
          }
          next.store(count, ordering: .relaxed)
          return
        }
      }
    }
    let width = max(1, min(threads, count))
    DispatchQueue.concurrentPerform(iterations: hasRoom(forThreads: width - 1) ? width : 1) { _ in
      ReadingLimits.$current.withValue(limits, operation: work)
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
    return results.withLock { $0.compactMap { $0 } }
  }

  /// The same for tasks that need no context.
  package static func map<Result: Sendable>(
    _ count: Int, threads: Int, _ body: @Sendable (Int) throws -> Result
  ) throws -> [Result] {
    try map(count, threads: threads, context: {}) { _, task in try body(task) }
  }
}
