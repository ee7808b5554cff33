internal import ByteIO
internal import Synchronization

/// Chunks that were decoded for a read of a part of them; the oldest go first.
final class ChunkCache: Sendable {
  /// A chunk of a dataset.
  struct Key: Hashable {
    let dataset: UInt64
    let index: Int
  }

  /// The elements of a chunk, little-endian; not written after it is made.
  @safe final class Entry: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let buffer: AlignedBuffer

    /// Takes memory and lets `fill` write it.
    init(count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
      buffer = AlignedBuffer(byteCount: count)
      try unsafe fill(buffer.prefix(count))
      unsafe bytes = UnsafeRawBufferPointer(buffer.prefix(count))
    }
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    var order: [Key] = []
    var first = 0
    var total = 0
  }

  private let state = Mutex(State())
  private let limit: Int

  /// Keeps up to `limit` bytes, and always the last chunk.
  init(limit: Int) { self.limit = limit }

  subscript(key: Key) -> Entry? { state.withLock { $0.entries[key] } }

  func insert(_ entry: Entry, for key: Key) {
    state.withLock { state in
      guard state.entries[key] == nil else { return }
      state.entries[key] = entry
      state.order.append(key)
      unsafe state.total += entry.bytes.count
      while state.total > limit, state.first < state.order.count - 1 {
        if let old = state.entries.removeValue(forKey: state.order[state.first]) {
          unsafe state.total -= old.bytes.count
        }
        state.first += 1
      }
      if state.first > 1024, state.first > state.order.count / 2 {
        state.order.removeFirst(state.first)
        state.first = 0
      }
    }
  }
}
