internal import Synchronization

/// Adds up the bytes that several threads have done, and reports each sum.
final class ByteCounter: Sendable {
  private let total: Int
  private let report: @Sendable (_ done: Int, _ total: Int) throws -> Void
  private let done = Atomic<Int>(0)

  init(total: Int, report: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void) {
    self.total = total
    self.report = report
  }

  /// Takes in more bytes; throws what the report throws.
  func add(_ count: Int) throws {
    try report(done.wrappingAdd(count, ordering: .relaxed).newValue, total)
  }
}
