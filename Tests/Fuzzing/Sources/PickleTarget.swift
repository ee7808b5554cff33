import TorchCheckpoint

/// The interpreter of pickles.
enum PickleTarget: FuzzTarget {
  static let name = "pickle"

  static func run(_ input: [UInt8]) throws {
    guard
      let found = try accepted(PickleProblem.self, body: { try PickleInterpreter.run(input) })
    else { return }
    let heap = found.heap
    require(heap.containers.reduce(0) { $0 + $1.count } <= input.count * 4, "too much is kept")
    check(found.root, heap)
    for container in heap.containers { for value in container { check(value, heap) } }
    for tensor in heap.tensors {
      require(heap.storages.indices.contains(tensor.storage), "no such storage")
      require(heap.containers.indices.contains(tensor.shape), "no such shape")
      require(heap.containers.indices.contains(tensor.strides), "no such strides")
    }
  }

  private static func check(_ value: PickleValue, _ heap: PickleHeap) {
    switch value {
    case .list(let index), .tuple(let index): require(index < heap.containers.count, "no list")
    case .dictionary(let index), .orderedDictionary(let index):
      require(index < heap.containers.count, "no dictionary")
      require(heap.containers[index].count.isMultiple(of: 2), "a key without a value")
    case .storage(let index): require(index < heap.storages.count, "no storage")
    case .tensor(let index): require(index < heap.tensors.count, "no tensor")
    default: break
    }
  }
}
