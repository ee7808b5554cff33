internal import ByteIO

/// Carries out a pickle that builds tensors, dictionaries, lists, tuples, numbers and text, and
/// nothing else: no class is looked up, no function called, and what asks for one is refused.
///
/// One loop without recursion. Memory: about 24 bytes for each value, within `PickleLimits`.
package struct PickleInterpreter {
  let limits: PickleLimits
  private let bytes: [UInt8]
  private var position = 0
  private var start = 0

  var opcode = PickleOpcode.proto
  var heap = PickleHeap()
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]

  /// Runs a pickle and returns the value it leaves, with the heap it refers to.
  package static func run(
    _ bytes: [UInt8], limits: PickleLimits = PickleLimits()
  ) throws(PickleProblem) -> (root: PickleValue, heap: PickleHeap) {
    guard bytes.count <= limits.bytes else { throw .tooMany(.bytes, limit: limits.bytes) }
    var interpreter = PickleInterpreter(bytes, limits)
    return (try interpreter.run(), interpreter.heap)
  }

  private init(_ bytes: [UInt8], _ limits: PickleLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  private mutating func run() throws(PickleProblem) -> PickleValue {
    var operations = 0
    while position < bytes.count {
      guard operations < limits.operations else {
        throw .tooMany(.operations, limit: limits.operations)
      }
      operations += 1
      start = position
      position += 1
      let code = bytes[start]
      guard let known = PickleOpcode(rawValue: code) else {
        guard let name = PickleOpcode.name(of: code) else {
          throw .unknownOpcode(code, offset: start)
        }
        throw .refusedOpcode(name, offset: start)
      }
      opcode = known
      if known == .stop { return try pop() }
      try execute()
    }
    throw .noStop
  }

  private mutating func execute() throws(PickleProblem) {
    switch opcode {
    case .stop: break
    case .proto: try checkProtocol()
    case .frame: try skipFrameHeader()
    case .mark: try pushMark()
    case .pop: try popValueOrMark()
    case .popMark: _ = try popToMark()

    case .none: try push(.none)
    case .newTrue: try push(.boolean(true))
    case .newFalse: try push(.boolean(false))
    case .int: try push(.integer(Int(readInteger(Int32.self))))
    case .int1: try push(.integer(Int(readInteger(UInt8.self))))
    case .int2: try push(.integer(Int(readInteger(UInt16.self))))
    case .long1: try push(readLong())
    case .float: try push(.real(Double(bitPattern: readInteger(UInt64.self).byteSwapped)))
    case .string: try push(readText(length: readInteger(UInt32.self)))
    case .shortString, .shortUnicode: try push(readText(length: readInteger(UInt8.self)))
    case .unicode: try push(readText(length: readInteger(UInt32.self)))
    case .unicode8: try push(readText(length: readInteger(UInt64.self)))

    case .emptyList: try push(.list(allocate([])))
    case .emptyTuple: try push(.tuple(allocate([])))
    case .emptyDictionary: try push(.dictionary(allocate([])))
    case .emptySet: try push(.set)
    case .list: try push(.list(allocate(popToMark())))
    case .tuple: try push(.tuple(allocate(popToMark())))
    case .dictionary: try push(.dictionary(allocate(pairs(popToMark()))))
    case .tuple1: try pushTuple(of: 1)
    case .tuple2: try pushTuple(of: 2)
    case .tuple3: try pushTuple(of: 3)
    case .append: try append([pop()])
    case .appends: try append(popToMark())
    case .setItem: try setItems(Array([pop(), pop()].reversed()))
    case .setItems: try setItems(pairs(popToMark()))

    case .get: try recall(Int(readInteger(UInt8.self)))
    case .longGet: try recall(Int(readInteger(UInt32.self)))
    case .put: try store(Int(readInteger(UInt8.self)))
    case .longPut: try store(Int(readInteger(UInt32.self)))
    case .memoize: try store(memo.count)

    case .global: try push(.global(readGlobal()))
    case .persistentID: try push(storage(named: pop()))
    case .reduce:
      let arguments = try pop()
      try push(call(pop(), arguments))
    case .build: try ignoreState()
    }
  }

  // MARK: Stack

  mutating func push(_ value: PickleValue) throws(PickleProblem) {
    guard stack.count + marks.count < limits.stack else {
      throw .tooMany(.stackEntries, limit: limits.stack)
    }
    stack.append(value)
  }

  /// Takes the top value; values below the last mark can't be taken.
  private mutating func pop() throws(PickleProblem) -> PickleValue {
    let value = try top()
    stack.removeLast()
    return value
  }

  private func top() throws(PickleProblem) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.last else { throw underflow }
    return value
  }

  private mutating func pushMark() throws(PickleProblem) {
    guard stack.count + marks.count < limits.stack else {
      throw .tooMany(.stackEntries, limit: limits.stack)
    }
    marks.append(stack.count)
  }

  private mutating func popToMark() throws(PickleProblem) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw underflow }
    let values = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return values
  }

  private mutating func popValueOrMark() throws(PickleProblem) {
    if stack.count == marks.last {
      marks.removeLast()
    } else {
      _ = try pop()
    }
  }

  private var underflow: PickleProblem { .stackUnderflow(opcode: opcode.name, offset: start) }

  // MARK: Containers

  mutating func allocate(_ elements: [PickleValue]) throws(PickleProblem) -> Int {
    guard heap.containers.count < limits.containers else {
      throw .tooMany(.containers, limit: limits.containers)
    }
    heap.containers.append(elements)
    return heap.containers.count - 1
  }

  private mutating func pushTuple(of count: Int) throws(PickleProblem) {
    guard stack.count - (marks.last ?? 0) >= count else { throw underflow }
    let elements = Array(stack.suffix(count))
    stack.removeLast(count)
    try push(.tuple(allocate(elements)))
  }

  private mutating func append(_ values: [PickleValue]) throws(PickleProblem) {
    guard case .list(let list) = try top() else { throw try wrongTop(expected: "list") }
    heap.containers[list] += values
  }

  private mutating func setItems(_ values: [PickleValue]) throws(PickleProblem) {
    guard let dictionary = try top().dictionaryIndex else { throw try wrongTop(expected: "dict") }
    heap.containers[dictionary] += values
  }

  private func pairs(_ values: [PickleValue]) throws(PickleProblem) -> [PickleValue] {
    guard values.count.isMultiple(of: 2) else { throw underflow }
    return values
  }

  /// What BUILD sets on an `OrderedDict` are attributes, such as the versions of modules.
  private mutating func ignoreState() throws(PickleProblem) {
    _ = try pop()
    guard case .orderedDictionary = try top() else { throw try wrongTop(expected: "OrderedDict") }
  }

  private func wrongTop(expected: String) throws(PickleProblem) -> PickleProblem {
    .wrongOperand(opcode: opcode.name, found: try top().kind, expected: expected)
  }

  // MARK: Memo

  private mutating func store(_ index: Int) throws(PickleProblem) {
    guard index <= limits.memoIndex else {
      throw .memoIndexTooLarge(found: index, limit: limits.memoIndex)
    }
    memo[index] = try top()
    guard memo.count <= limits.memo else { throw .tooMany(.memoEntries, limit: limits.memo) }
  }

  private mutating func recall(_ index: Int) throws(PickleProblem) {
    guard let value = memo[index] else { throw .missingMemo(index: index) }
    try push(value)
  }

  // MARK: Reading

  private mutating func take(_ count: Int) throws(PickleProblem) -> Range<Int> {
    guard count <= bytes.count - position else {
      throw .endedEarly(opcode: opcode.name, offset: start)
    }
    defer { position += count }
    return position..<(position + count)
  }

  private mutating func readInteger<Value: FixedWidthInteger>(
    _ type: Value.Type
  ) throws(PickleProblem) -> Value {
    bytes.littleEndian(at: try take(MemoryLayout<Value>.size).lowerBound, as: type)
  }

  /// An integer of up to 255 bytes, two's complement.
  private mutating func readLong() throws(PickleProblem) -> PickleValue {
    let digits = bytes[try take(Int(readInteger(UInt8.self)))]
    let isNegative = digits.last.map { $0 >= 0x80 } ?? false
    let filler: UInt8 = isNegative ? 0xff : 0
    var value: Int = isNegative ? -1 : 0
    for digit in digits.prefix(8).reversed() { value = value << 8 | Int(digit) }
    let fits = digits.dropFirst(8).allSatisfy { $0 == filler } && (value < 0) == isNegative
    return fits ? .integer(value) : .largeInteger
  }

  private mutating func readText(length: some FixedWidthInteger) throws(PickleProblem)
    -> PickleValue
  {
    guard let length = Int(exactly: length) else {
      throw .endedEarly(opcode: opcode.name, offset: start)
    }
    guard let text = String(validating: bytes[try take(length)], as: UTF8.self) else {
      throw .notUTF8(offset: start)
    }
    return .string(text)
  }

  private mutating func readLine() throws(PickleProblem) -> String {
    let window = bytes[position...].prefix(limits.name + 1)
    guard let end = window.firstIndex(of: UInt8(ascii: "\n")) else {
      guard window.count <= limits.name else {
        throw .tooMany(.nameBytes, limit: limits.name)
      }
      throw .endedEarly(opcode: opcode.name, offset: start)
    }
    guard let line = String(validating: bytes[position..<end], as: UTF8.self) else {
      throw .notUTF8(offset: start)
    }
    position = end + 1
    return line
  }

  private mutating func readGlobal() throws(PickleProblem) -> PickleGlobal {
    let module = try readLine()
    return try PickleGlobal(module: module, name: readLine())
  }

  private mutating func checkProtocol() throws(PickleProblem) {
    let version = Int(try readInteger(UInt8.self))
    guard version <= 5 else { throw .unsupportedProtocol(found: version, limit: 5) }
  }

  /// A frame only says how much to read ahead.
  private mutating func skipFrameHeader() throws(PickleProblem) {
    let length = try readInteger(UInt64.self)
    guard length <= UInt64(bytes.count - position) else {
      throw .endedEarly(opcode: opcode.name, offset: start)
    }
  }
}
