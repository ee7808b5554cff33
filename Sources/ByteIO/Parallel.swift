internal import Dispatch
internal import Synchronization

/// Runs numbered tasks on several threads.
package enum Parallel {
  /// Calls `body(worker, task)` for every task from 0 up to `tasks`, in order of number, on at
  /// most `threads` threads at once; a worker never runs two tasks at once.
  ///
  /// After the first error no new task starts; the error of the lowest-numbered failed task is
  /// thrown when all have stopped. Results must not depend on which worker runs a task.
  package static func run(
    tasks: Int, threads: Int, _ body: @Sendable (_ worker: Int, _ task: Int) throws -> Void
  ) throws {
    let next = Atomic<Int>(0)
    let failure = Mutex<(task: Int, error: any Error)?>(nil)
    let workers = max(1, min(threads, tasks))
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      while true {
        let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard task < tasks else { return }
        do {
          try body(worker, task)
        } catch {
          failure.withLock {
            if task < $0?.task ?? Int.max { $0 = (task, error) }
          }
          next.store(tasks, ordering: .relaxed)
          return
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }
}
