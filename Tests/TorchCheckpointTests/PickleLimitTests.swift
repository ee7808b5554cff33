import FormatTestSupport
import Testing
import TorchCheckpoint

/// The limits on what a pickle may take.
struct PickleLimitTests {
  private func expect(
    _ problem: PickleProblem, sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout PickleLimits) -> Void, _ operations: (inout PickleBuilder) -> Void
  ) {
    var limits = PickleLimits()
    change(&limits)
    #expect(throws: problem, sourceLocation: sourceLocation) {
      try PickleInterpreter.run(PickleBuilder.pickle(operations), limits: limits)
    }
  }

  @Test("Operations, memo entries, containers, storages and tensors are counted")
  func counts() {
    expect(.tooMany(.bytes, limit: 9), { $0.bytes = 9 }) { $0.op("NNNNNNNN") }
    expect(.tooMany(.operations, limit: 5), { $0.operations = 5 }) { $0.op("N0N0N") }
    expect(.tooMany(.memoEntries, limit: 2), { $0.memo = 2 }) {
      $0.op("N")
      $0.raw([0x94, 0x94, 0x94])
    }
    expect(.tooMany(.containers, limit: 3), { $0.containers = 3 }) { $0.op("]})]") }
    let tensor = TorchTensor(.counting(to: 1), [1])
    expect(.tooMany(.storages, limit: 0), { $0.tensors = 0 }) { $0.tensor(tensor) }
    expect(.tooMany(.tensors, limit: 2), { $0.tensors = 2 }) { pickle in
      pickle.global("torch._utils", "_rebuild_tensor")
      pickle.put(0)
      pickle.op("(")
      pickle.storage(tensor.storage)
      pickle.integer(0)
      pickle.op("))t")
      pickle.put(1)
      pickle.op("R")
      for _ in 0..<2 {
        pickle.get(0)
        pickle.get(1)
        pickle.op("R")
      }
    }
  }

  @Test("Names of classes and storages are bounded")
  func names() {
    let long = String(repeating: "a", count: 5000)
    expect(.tooMany(.nameBytes, limit: 4096), { _ in }) { $0.global(long, "x") }
    expect(.endedEarly(opcode: "GLOBAL", offset: 2), { _ in }) { $0.op("ctorch") }
    expect(.tooMany(.nameBytes, limit: 4096), { _ in }) {
      $0.storage(TorchStorage(long, floats: []))
    }
  }

  @Test("Ten million operations end in bounded time")
  func operations() {
    // PROTO 1 again and again.
    let many = [UInt8](unsafeUninitializedCapacity: 20_000_002) { buffer, count in
      count = buffer.count
      for index in buffer.indices { buffer[index] = index & 1 == 0 ? 0x80 : 1 }
    }
    #expect(throws: PickleProblem.tooMany(.operations, limit: 10_000_000)) {
      try PickleInterpreter.run(many)
    }
  }

  @Test("A list inside a list, 100,000 deep, is built and dropped without recursion")
  func depth() throws {
    let pickle = PickleBuilder.pickle {
      for _ in 0..<100_000 { $0.op("]") }
      for _ in 0..<99_999 { $0.op("a") }
    }
    let (root, heap) = try PickleInterpreter.run(pickle)
    #expect(root == .list(0))
    #expect(heap.containers.count == 100_000)
  }

  @Test("Each list holding the one before twice takes a place each, not 2^50")
  func sharing() throws {
    let pickle = PickleBuilder.pickle {
      $0.op("]")
      $0.put(0)
      for level in 1...50 {
        $0.op("](")
        $0.get(level - 1)
        $0.get(level - 1)
        $0.op("e")
        $0.put(level)
      }
    }
    let (_, heap) = try PickleInterpreter.run(pickle)
    #expect(heap.containers.map(\.count) == [0] + Array(repeating: 2, count: 50))
  }

  @Test("A list and a dictionary that hold themselves")
  func cycles() throws {
    let pickle = PickleBuilder.pickle {
      $0.op("}")
      $0.put(0)
      $0.text("model")
      $0.get(0)
      $0.op("s")
    }
    TestCheckpoint(pickle: pickle).expect { .noTensors(path: $0, keys: ["model"]) }
    let (root, heap) = try PickleInterpreter.run(PickleBuilder.pickle { $0.op("]q\0h\0a") })
    #expect(heap.containers == [[root]])
  }

  @Test("A value takes 24 bytes at most, as the bounds on memory assume")
  func valueSize() { #expect(MemoryLayout<PickleValue>.stride <= 24) }
}
