internal import Synchronization

/// Values that several parallel tasks share for a while: each is made by the first task that
/// needs it and dropped when the last one is done with it.
///
/// With tasks that run in order, at most a few values exist at once, however many there are.
package final class SharedValues<Value: Sendable>: Sendable {
  private struct State: Sendable {
    var value: Value?
    var remainingUses: Int
  }

  private let make: @Sendable (Int) throws -> Value
  private let states: [MutexBox<State>]

  /// Prepares values 0, 1, … that are used `uses[0]`, `uses[1]`, … times each.
  package init(uses: [Int], make: @escaping @Sendable (Int) throws -> Value) {
    self.make = make
    states = uses.map { MutexBox(State(value: nil, remainingUses: $0)) }
  }

  /// Calls `body` with a value; others that need the same one wait while it is made.
  package func use<Result>(_ index: Int, _ body: (Value) throws -> Result) throws -> Result {
    let value = try states[index].mutex.withLock { state in
      if let value = state.value { return value }
      let value = try make(index)
      state.value = value
      return value
    }
    defer {
      states[index].mutex.withLock { state in
        state.remainingUses -= 1
        if state.remainingUses <= 0 { state.value = nil }
      }
    }
    return try body(value)
  }
}

/// A mutex that can be an element of an array.
private final class MutexBox<Value: Sendable>: Sendable {
  let mutex: Mutex<Value>

  init(_ value: Value) { mutex = Mutex(value) }
}
