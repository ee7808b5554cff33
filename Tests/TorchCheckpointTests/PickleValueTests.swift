import FormatTestSupport
import Testing
import TorchCheckpoint

/// What the allowed operations build.
struct PickleValueTests {
  @Test(
    "Numbers, text and constants",
    arguments: [
      ([0x4e], .none), ([0x88], .boolean(true)), ([0x89], .boolean(false)),
      ([0x4a, 0xfe, 0xff, 0xff, 0xff], .integer(-2)), ([0x4b, 200], .integer(200)),
      ([0x4d, 0x34, 0x12], .integer(0x1234)), ([0x8a, 0], .integer(0)),
      ([0x8a, 1, 0x80], .integer(-128)), ([0x8a, 2, 0xff, 0], .integer(255)),
      ([0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x80], .integer(.min)),
      ([0x8a, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0], .integer(.max)),
      ([0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0x80, 0], .largeInteger),
      ([0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1], .largeInteger),
      ([0x47, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18], .real(.pi)),
      ([0x54, 2, 0, 0, 0, 0x68, 0x69], .string("hi")), ([0x55, 2, 0x68, 0x69], .string("hi")),
      ([0x58, 2, 0, 0, 0, 0xc3, 0xa9], .string("é")), ([0x8c, 1, 0x61], .string("a")),
      ([0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0x61], .string("a")), ([0x8f], .set),
      ([0x95, 1, 0, 0, 0, 0, 0, 0, 0, 0x4e], .none),
    ] as [([UInt8], PickleValue)])
  func scalar(operation: [UInt8], value: PickleValue) throws {
    for version in UInt8(0)...5 {
      let (root, _) = try PickleInterpreter.run([0x80, version] + operation + [0x2e])
      #expect(root == value)
    }
  }

  @Test(
    "Containers",
    arguments: [
      ("(NNl", .list(0), [[.none, .none]]), ("(Nt", .tuple(0), [[.none]]),
      ("(NNd", .dictionary(0), [[.none, .none]]), ("(NN1)", .tuple(0), [[]]),
      ("N(0)", .tuple(0), [[]]), ("]NaNa", .list(0), [[.none, .none]]),
      ("](NNe", .list(0), [[.none, .none]]), ("}NNs", .dictionary(0), [[.none, .none]]),
      ("ccollections\nOrderedDict\n)R}b", .orderedDictionary(1), [[], [], []]),
      ("ctorch\nSize\n()tR", .tuple(0), [[], [.tuple(0)]]),
    ] as [(String, PickleValue, [[PickleValue]])])
  func container(operations: String, root: PickleValue, containers: [[PickleValue]]) throws {
    let (value, heap) = try PickleInterpreter.run(PickleBuilder.pickle { $0.op(operations) })
    #expect(value == root)
    #expect(heap.containers == containers)
  }

  @Test("Damaged headers and text")
  func damage() {
    #expect(throws: PickleProblem.unsupportedProtocol(found: 6, limit: 5)) {
      try PickleInterpreter.run([0x80, 6, 0x4e, 0x2e])
    }
    #expect(throws: PickleProblem.endedEarly(opcode: "FRAME", offset: 0)) {
      try PickleInterpreter.run([0x95, 9, 0, 0, 0, 0, 0, 0, 0, 0x4e, 0x2e])
    }
    #expect(throws: PickleProblem.notUTF8(offset: 0)) {
      try PickleInterpreter.run([0x8c, 1, 0xff, 0x2e])
    }
    #expect(throws: PickleProblem.endedEarly(opcode: "BINUNICODE8", offset: 0)) {
      try PickleInterpreter.run([0x8d] + little(UInt64.max) + [0x2e])
    }
    #expect(throws: PickleProblem.unknownOpcode(0xff, offset: 1)) {
      try PickleInterpreter.run([0x4e, 0xff])
    }
  }

  @Test(
    "Builders called with arguments they do not take",
    arguments: [
      ("torch._utils", "_rebuild_tensor_v2", ")", "storage, offset, size, stride"),
      ("torch._utils", "_rebuild_tensor_v3", ")", "storage, offset, size, stride, …, dtype"),
      ("torch._utils", "_rebuild_tensor", "(NK\0))t", "storage, offset, size, stride"),
      ("torch._utils", "_rebuild_parameter", "(NNNt", "a tensor first"),
      ("torch._utils", "_rebuild_parameter_with_state", ")", "a tensor first"),
      ("collections", "OrderedDict", "(]t", "none"), ("torch", "Size", "(]t", "a tuple"),
    ])
  func arguments(module: String, name: String, arguments: String, expected: String) {
    #expect(
      throws: PickleProblem.badArguments(function: "\(module).\(name)", expected: expected)
    ) {
      try PickleInterpreter.run(
        PickleBuilder.pickle {
          $0.global(module, name)
          $0.op(arguments + "R")
        })
    }
  }

  @Test(
    "A persistent id that names no storage",
    arguments: [")Q", "(NNNNNtQ", "(U\u{7}storageNU\u{1}0U\u{3}cpuK\u{1}tQ"])
  func persistentID(operations: String) {
    let expected = "'storage', a storage class, key, device, count"
    #expect(throws: PickleProblem.badArguments(function: "BINPERSID", expected: expected)) {
      try PickleInterpreter.run(PickleBuilder.pickle { $0.op(operations) })
    }
  }
}
