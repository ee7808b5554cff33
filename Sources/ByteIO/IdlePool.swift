internal import Synchronization

/// Things with working memory of their own, one for each thread that needs one at the same time,
/// kept for the next that does.
package final class IdlePool<Value>: Sendable {
  /// A value between threads; one thread at a time has it.
  private struct Idle: @unchecked Sendable {
    let value: Value
  }

  private let make: @Sendable () -> Value
  private let idle = Mutex<[Idle]>([])

  /// Prepares an empty pool; `make` is called where no value is idle.
  package init(_ make: @escaping @Sendable () -> Value) { self.make = make }

  /// Calls `body` with a value that no other thread has.
  package func use<Result>(_ body: (Value) throws -> Result) rethrows -> Result {
    let taken = idle.withLock { $0.popLast() } ?? Idle(value: make())
    defer { idle.withLock { $0.append(taken) } }
    return try body(taken.value)
  }
}
