extension PickleInterpreter {
  /// The storage of a persistent id: `("storage", class, key, device, count)`.
  mutating func storage(named identifier: PickleValue) throws(PickleProblem) -> PickleValue {
    guard case .tuple(let tuple) = identifier else {
      throw .wrongOperand(opcode: opcode.name, found: identifier.kind, expected: "tuple")
    }
    let parts = heap.containers[tuple]
    guard parts.count == 5, parts[0] == .string("storage"),
      case .global(.storage(_, let type)) = parts[1], case .string(let key) = parts[2],
      case .string = parts[3], case .integer(let count) = parts[4]
    else {
      throw .badArguments(
        function: opcode.name, expected: "'storage', a storage class, key, device, count")
    }
    guard key.utf8.count <= limits.name else {
      throw .tooMany(.nameBytes, limit: limits.name)
    }
    guard heap.storages.count < limits.tensors else {
      throw .tooMany(.storages, limit: limits.tensors)
    }
    heap.storages.append(PickleStorage(key: key, type: type, count: count))
    return .storage(heap.storages.count - 1)
  }

  /// What an allowed class or function makes of its arguments.
  mutating func call(
    _ function: PickleValue, _ arguments: PickleValue
  ) throws(PickleProblem) -> PickleValue {
    guard case .global(let global) = function else {
      throw .wrongOperand(opcode: opcode.name, found: function.kind, expected: "a function")
    }
    guard case .tuple(let tuple) = arguments else {
      throw .wrongOperand(opcode: opcode.name, found: arguments.kind, expected: "tuple")
    }
    switch global {
    case .orderedDictionary:
      guard heap.containers[tuple].isEmpty else {
        throw .badArguments(function: global.name, expected: "none")
      }
      return .orderedDictionary(try allocate([]))
    case .size:
      guard heap.containers[tuple].count == 1, case .tuple = heap.containers[tuple][0] else {
        throw .badArguments(function: global.name, expected: "a tuple")
      }
      return heap.containers[tuple][0]
    case .rebuildTensor(let version):
      return try tensor(of: heap.containers[tuple], version: version, function: global.name)
    case .rebuildParameter(let withState):
      // A parameter is its tensor; hooks and attributes do not concern us.
      guard heap.containers[tuple].count == (withState ? 4 : 3),
        case .tensor = heap.containers[tuple][0]
      else { throw .badArguments(function: global.name, expected: "a tensor first") }
      return heap.containers[tuple][0]
    case .storage, .dtype:
      throw .wrongOperand(opcode: opcode.name, found: global.name, expected: "a function")
    }
  }

  /// `_rebuild_tensor(storage, offset, size, stride)`, which the second version follows with
  /// `requires_grad, hooks` and the third with those and a dtype; then metadata, if any.
  private mutating func tensor(
    of arguments: [PickleValue], version: Int, function: String
  ) throws(PickleProblem) -> PickleValue {
    let required = [1: 4, 2: 6, 3: 7][version] ?? 0
    let expected = "storage, offset, size, stride\(version == 3 ? ", …, dtype" : "")"
    guard arguments.count == required || (version > 1 && arguments.count == required + 1),
      case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1],
      case .tuple(let shape) = arguments[2], case .tuple(let strides) = arguments[3]
    else { throw .badArguments(function: function, expected: expected) }
    var type: StorageType?
    if version == 3 {
      guard case .global(.dtype(_, let dtype)) = arguments[6] else {
        throw .badArguments(function: function, expected: expected)
      }
      type = dtype
    }
    guard heap.tensors.count < limits.tensors else {
      throw .tooMany(.tensors, limit: limits.tensors)
    }
    let metadata = arguments.dropFirst(required).first
    heap.tensors.append(
      PickleTensor(
        storage: storage, type: type, offset: offset, shape: shape, strides: strides,
        isTransformed: try metadata.map(hasEntries) ?? false))
    return .tensor(heap.tensors.count - 1)
  }

  private func hasEntries(_ metadata: PickleValue) throws(PickleProblem) -> Bool {
    if metadata == .none { return false }
    guard let dictionary = metadata.dictionaryIndex else {
      throw .wrongOperand(opcode: opcode.name, found: metadata.kind, expected: "dict")
    }
    return !heap.containers[dictionary].isEmpty
  }
}
