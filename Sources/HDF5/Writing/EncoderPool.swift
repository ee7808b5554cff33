internal import Synchronization

/// Encoders that are idle, so that batch after batch uses the same memory.
final class EncoderPool: Sendable {
  private struct Idle: @unchecked Sendable { var encoders: [ChunkEncoder] = [] }

  private let plan: DatasetPlan
  private let idle = Mutex(Idle())

  init(_ plan: DatasetPlan) { self.plan = plan }

  /// Runs `body` with an encoder that no other thread uses.
  func with<Result>(_ body: (ChunkEncoder) throws -> Result) rethrows -> Result {
    let taken = idle.withLock { Idle(encoders: $0.encoders.popLast().map { [$0] } ?? []) }
    let encoder = taken.encoders.first ?? ChunkEncoder(plan)
    let back = Idle(encoders: [encoder])
    defer { idle.withLock { $0.encoders += back.encoders } }
    return try body(encoder)
  }
}
