internal import Dispatch
internal import Synchronization

/// Does one thing after the other on a thread of its own, at most one behind its caller.
final class Finisher: Sendable {
  private let queue = DispatchQueue(label: "finisher")
  private let failure = Mutex<(any Error)?>(nil)

  /// Waits for what was started before, then starts `body`.
  ///
  /// - Throws: what an earlier body threw.
  func start(_ body: @escaping @Sendable () throws -> Void) throws {
    try finish()
    queue.async {
      do { try body() } catch { self.failure.withLock { $0 = error } }
    }
  }

  /// Waits for what was started.
  ///
  /// - Throws: what it threw.
  func finish() throws {
    queue.sync {}
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Waits for what was started, whatever came of it. Whoever starts something must call it: the
  /// queue itself may be the last to hold this.
  func wait() { queue.sync {} }
}
