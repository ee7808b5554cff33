import Synchronization
import Tensors

/// What a fold told of its changes: bytes before and after, and how often each was told.
final class SeenChanges: Sendable {
  private struct State {
    var before: [[UInt8]]
    var after: [[UInt8]]
    var counts: [[UInt8]]
  }

  private let state: Mutex<State>

  init(_ tensors: [TensorInfo]) {
    let empty = tensors.map { [UInt8](repeating: 0, count: $0.byteCount) }
    state = Mutex(State(before: empty, after: empty, counts: empty))
  }

  func add(
    _ tensor: Int, _ offset: Int, _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer
  ) {
    precondition(old.count == new.count)
    state.withLock { state in
      let range = offset..<(offset + old.count)
      state.before[tensor].replaceSubrange(range, with: old)
      state.after[tensor].replaceSubrange(range, with: new)
      for position in range { state.counts[tensor][position] += 1 }
    }
  }

  subscript(tensor: Int) -> (before: [UInt8], after: [UInt8], counts: [UInt8]) {
    state.withLock { ($0.before[tensor], $0.after[tensor], $0.counts[tensor]) }
  }
}
