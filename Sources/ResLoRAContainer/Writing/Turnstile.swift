internal import Dispatch
internal import Synchronization

/// Lets threads that work on numbered tasks pass one by one, in the order of the numbers.
///
/// Tasks must be started in the order of their numbers, each on a thread that runs.
final class Turnstile: Sendable {
  private struct State {
    var next = 0
    var stoppedAt = Int.max
    var waiting: [Int: DispatchSemaphore] = [:]
  }

  private let state = Mutex(State())

  /// Waits until all lower numbers have passed; false where one of them never will.
  func wait(for number: Int) -> Bool {
    let semaphore: DispatchSemaphore? = state.withLock { state in
      if state.next == number || state.stoppedAt < number { return nil }
      let semaphore = DispatchSemaphore(value: 0)
      state.waiting[number] = semaphore
      return semaphore
    }
    semaphore?.wait()
    return state.withLock { $0.stoppedAt > number }
  }

  /// Lets the next number pass.
  func pass() {
    state.withLock { state in
      state.next += 1
      state.waiting.removeValue(forKey: state.next)?.signal()
    }
  }

  /// Sends away all numbers after one that failed; lower ones still pass.
  func stop(at number: Int) {
    state.withLock { state in
      state.stoppedAt = min(state.stoppedAt, number)
      for (waiting, semaphore) in state.waiting where waiting > number {
        semaphore.signal()
        state.waiting[waiting] = nil
      }
    }
  }
}
