internal import ByteIO
internal import Dispatch
internal import Synchronization

/// Does one thing after the other on a thread of its own, at most one behind its caller.
///
/// Whoever lets go of it waits for what was started, and for the end of all that this holds on to.
final class Finisher: Sendable {
  /// What the other thread knows: nothing of the finisher, whose end would never come then.
  private final class Work: Sendable {
    typealias Body = @Sendable () throws -> Void

    private let body = Mutex<Body?>(nil)
    private let failure = Mutex<(any Error)?>(nil)

    func set(_ new: @escaping Body) { body.withLock { $0 = new } }

    /// Runs what was set and lets go of it.
    func run() {
      guard let body = body.withLock({ $0.take() }) else { return }
      do { try body() } catch { failure.withLock { $0 = error } }
    }

    func check() throws {
      if let error = failure.withLock({ $0 }) { throw error }
    }
  }

  private let queue = DispatchQueue(label: "finisher")
  private let work = Work()

  /// Waits for what was started before, then starts `body`.
  ///
  /// - Throws: what an earlier body threw.
  func start(_ body: @escaping @Sendable () throws -> Void) throws {
    try finish()
    work.set(body)
    if Parallel.hasRoom(forThreads: 1) {
      let limits = ReadingLimits.current
      queue.async { [work] in
        ReadingLimits.$current.withValue(limits, operation: work.run)
      }
    } else {
      work.run()
    }
  }

  /// Waits for what was started.
  ///
  /// - Throws: what it threw.
  func finish() throws {
    queue.sync {}
    try work.check()
  }

  /// Waits for what was started, whatever came of it. Whoever starts something must call it: the
  /// queue itself may be the last to hold this.
  func wait() { queue.sync {} }
}
