import ByteIO
import Synchronization
import Testing

@Suite struct SharedValuesTests {
  final class Held: Sendable {
    let number: Int
    init(_ number: Int) { self.number = number }
  }

  struct Failure: Error, Equatable {}

  @Test func eachValueIsMadeOnceForAllTasksThatNeedIt() throws {
    let made = Mutex<[Int]>([])
    let values = SharedValues(uses: [50, 50]) { index in
      made.withLock { $0.append(index) }
      return Held(index)
    }
    let found = try Parallel.map(100, threads: 4) { task in
      try values.use(task / 50) { $0.number }
    }
    #expect(found == (0..<100).map { $0 / 50 })
    #expect(made.withLock { $0 }.sorted() == [0, 1])
  }

  @Test func aValueIsDroppedAfterItsLastUse() throws {
    weak var seen: Held?
    let values = SharedValues(uses: [2]) { Held($0) }
    try values.use(0) { seen = $0 }
    #expect(seen != nil)
    try values.use(0) { _ in }
    #expect(seen == nil)
  }

  @Test func aFailedUseCountsAndAFailedMakingIsThrown() throws {
    weak var seen: Held?
    let values = SharedValues(uses: [1]) { Held($0) }
    #expect(throws: Failure()) {
      try values.use(0) { value in
        seen = value
        throw Failure()
      }
    }
    #expect(seen == nil)
    let broken = SharedValues<Held>(uses: [1]) { _ in throw Failure() }
    #expect(throws: Failure()) { try broken.use(0) { $0.number } }
  }
}
