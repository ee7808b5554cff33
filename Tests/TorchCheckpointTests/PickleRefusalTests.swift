import FormatTestSupport
import Testing
import TorchCheckpoint

/// Items 55 to 62 of the robustness list: pickles that want more than tensors, or are broken.
struct PickleRefusalTests {
  private func expect(
    _ problem: PickleProblem, limits: PickleLimits = PickleLimits(),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ operations: (inout PickleBuilder) -> Void
  ) {
    #expect(throws: problem, sourceLocation: sourceLocation) {
      try PickleInterpreter.run(PickleBuilder.pickle(operations), limits: limits)
    }
  }

  @Test(
    "55: a GLOBAL of anything but the tensor builders is refused and named",
    arguments: [
      ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "getattr"),
      ("__builtin__", "exec"), ("torch", "load"), ("torch", "hub"), ("torch.hub", "load"),
      ("torch._utils", "_rebuild_qtensor"), ("torch._utils", "_import_dotted_name"),
      ("torch.nn.modules.linear", "Linear"), ("torch.nn.parameter", "Parameter"),
      ("torch.storage", "_load_from_bytes"), ("torch", "FancyStorage"), ("torch", "float33"),
      ("collections", "Counter"), ("_codecs", "encode"), ("numpy.core.multiarray", "_reconstruct"),
      ("", ""), ("collections ", "OrderedDict"), ("COLLECTIONS", "OrderedDict"),
    ])
  func item55(module: String, name: String) {
    expect(.forbiddenGlobal("\(module).\(name)")) { $0.global(module, name) }
  }

  @Test("55: the refused call is never made, and the file's error says so")
  func item55Description() {
    let checkpoint = TestCheckpoint(
      pickle: PickleBuilder.pickle {
        $0.global("os", "system")
        $0.text("touch /tmp/owned")
        $0.raw([0x85])
        $0.op("R")
      })
    checkpoint.expect(pickle: .forbiddenGlobal("os.system"))
    let text = "\(TorchCheckpointError.pickle(path: "m.pt", .forbiddenGlobal("os.system")))"
    #expect(
      text == "m.pt: pickle asks for 'os.system'; nothing is executed, and only plain tensors are "
        + "read; re-save the tensors with safetensors")
  }

  @Test(
    "56: attribute chains through an allowed module are refused",
    arguments: [
      ("torch", "storage.UntypedStorage"), ("torch", "serialization.os.system"),
      ("torch._utils", "_rebuild_tensor_v2.__globals__"), ("collections", "abc.sys.modules"),
      ("torch.storage", "UntypedStorage.__init__"), ("torch", "FloatStorage.from_file"),
    ])
  func item56(module: String, name: String) {
    expect(.attributeChain("\(module).\(name)")) { $0.global(module, name) }
  }

  @Test(
    "57: operations that look up classes, make objects or carry bytes are refused by name",
    arguments: [
      (0x93, "STACK_GLOBAL"), (0x69, "INST"), (0x6f, "OBJ"), (0x81, "NEWOBJ"), (0x92, "NEWOBJ_EX"),
      (0x82, "EXT1"), (0x83, "EXT2"), (0x84, "EXT4"), (0x50, "PERSID"), (0x32, "DUP"),
      (0x42, "BINBYTES"), (0x43, "SHORT_BINBYTES"), (0x8e, "BINBYTES8"), (0x96, "BYTEARRAY8"),
      (0x97, "NEXT_BUFFER"), (0x98, "READONLY_BUFFER"), (0x90, "ADDITEMS"), (0x91, "FROZENSET"),
      (0x8b, "LONG4"), (0x46, "FLOAT"), (0x49, "INT"), (0x4c, "LONG"), (0x53, "STRING"),
      (0x56, "UNICODE"), (0x67, "GET"), (0x70, "PUT"),
    ] as [(UInt8, String)])
  func item57(code: UInt8, name: String) {
    expect(.refusedOpcode(name, offset: 3)) {
      $0.op("N")
      $0.raw([code])
    }
  }

  @Test("57: every byte is an allowed operation, a refused one by name, or none")
  func item57All() {
    var refused = 0
    for code in UInt8.min...UInt8.max {
      do throws(PickleProblem) {
        _ = try PickleInterpreter.run([code])
        Issue.record("\(code) alone is no pickle")
      } catch {
        switch error {
        case .refusedOpcode: refused += 1
        case .unknownOpcode(let found, let offset): #expect(found == code && offset == 0)
        case .endedEarly, .noStop, .stackUnderflow: break
        default: Issue.record("\(code): \(error)")
        }
      }
    }
    #expect(refused == 26)
  }

  @Test(
    "58: SETITEM and its like on the wrong kind of value",
    arguments: [
      ("]NNs", "SETITEM", "list", "dict"), (")NNs", "SETITEM", "tuple", "dict"),
      ("](NNu", "SETITEMS", "list", "dict"), ("NNNs", "SETITEM", "None", "dict"),
      ("}Na", "APPEND", "dict", "list"), (")(NNe", "APPENDS", "tuple", "list"),
      ("}}b", "BUILD", "dict", "OrderedDict"), ("]}b", "BUILD", "list", "OrderedDict"),
      ("N)R", "REDUCE", "None", "a function"),
      (
        "ctorch\nFloatStorage\n)R", "REDUCE",
        "torch.FloatStorage", "a function"
      ),
      ("ccollections\nOrderedDict\n]R", "REDUCE", "list", "tuple"),
      ("NQ", "BINPERSID", "None", "tuple"), ("](NN(0a", "APPEND", "None", "list"),
    ])
  func item58(operations: String, opcode: String, found: String, expected: String) {
    expect(.wrongOperand(opcode: opcode, found: found, expected: expected)) { $0.op(operations) }
  }

  @Test("58: an odd number of keys and values")
  func item58Odd() {
    expect(.stackUnderflow(opcode: "SETITEMS", offset: 7)) { $0.op("}(NNNu") }
    expect(.stackUnderflow(opcode: "DICT", offset: 4)) { $0.op("(Nd") }
  }

  @Test("59: a memo index of 1.6 billion costs nothing and is refused")
  func item59() {
    expect(.memoIndexTooLarge(found: 1_600_000_000, limit: 10_000_000)) {
      $0.op("N")
      $0.put(1_600_000_000)
    }
    expect(.missingMemo(index: 1_600_000_000)) { $0.get(1_600_000_000) }
    expect(.missingMemo(index: 7)) { $0.raw([0x68, 7]) }
  }

  @Test("59: a sparse index within the limit is accepted")
  func item59Sparse() throws {
    let pickle = PickleBuilder.pickle {
      $0.integer(5)
      $0.put(9_999_999)
      $0.op("0")
      $0.get(9_999_999)
    }
    #expect(try PickleInterpreter.run(pickle).root == .integer(5))
  }

  @Test("60: a million marks are within the limits but no value; one more is refused")
  func item60() {
    let marks = [UInt8](repeating: 0x28, count: 1_000_000)
    expect(.stackUnderflow(opcode: "STOP", offset: 1_000_002)) { $0.raw(marks) }
    expect(.tooMany(.stackEntries, limit: 1_000_000)) { $0.raw(marks + [0x28]) }
    expect(.tooMany(.stackEntries, limit: 1_000_000)) { $0.raw(marks + [0x4e]) }
  }

  @Test(
    "61: operations on a stack that lacks their values",
    arguments: [
      ("0", "POP", 2), ("1", "POP_MARK", 2), ("t", "TUPLE", 2), ("l", "LIST", 2), ("d", "DICT", 2),
      ("e", "APPENDS", 2), ("u", "SETITEMS", 2), ("a", "APPEND", 2), ("Na", "APPEND", 3),
      ("}Ns", "SETITEM", 4), ("R", "REDUCE", 2), ("N(R", "REDUCE", 4), ("Q", "BINPERSID", 2),
      ("b", "BUILD", 2), ("", "STOP", 2), ("N(", "STOP", 4),
    ])
  func item61(operations: String, opcode: String, offset: Int) {
    expect(.stackUnderflow(opcode: opcode, offset: offset)) { $0.op(operations) }
  }

  @Test(
    "61: short tuples and the memo need values too",
    arguments: [(0x85, "TUPLE1", 0), (0x86, "TUPLE2", 1), (0x87, "TUPLE3", 2)]
      as [(UInt8, String, Int)])
  func item61Tuples(code: UInt8, name: String, values: Int) {
    expect(.stackUnderflow(opcode: name, offset: 2 + values)) {
      $0.op(String(repeating: "N", count: values))
      $0.raw([code])
    }
    let above = max(0, values - 1)
    expect(.stackUnderflow(opcode: name, offset: 4 + above)) {
      $0.op("N(" + String(repeating: "N", count: above))
      $0.raw([code])
    }
  }

  @Test("61: memo operations need a value")
  func item61Memo() {
    expect(.stackUnderflow(opcode: "BINPUT", offset: 2)) { $0.raw([0x71, 0]) }
    expect(.stackUnderflow(opcode: "MEMOIZE", offset: 2)) { $0.raw([0x94]) }
  }

  @Test("62: no STOP, at any length")
  func item62() throws {
    let whole = PickleBuilder.pickle { pickle in
      pickle.op("}(")
      pickle.text("x")
      pickle.tensor(TorchTensor(.counting(to: 4), [2, 2]))
      pickle.op("u")
      pickle.raw([0x95] + little(1 as UInt64))
    }
    #expect(try PickleInterpreter.run(whole).heap.tensors.count == 1)
    for length in 0..<whole.count {
      do throws(PickleProblem) {
        _ = try PickleInterpreter.run(Array(whole[..<length]))
        Issue.record("accepted \(length) bytes of \(whole.count)")
      } catch {
        switch error {
        case .noStop, .endedEarly: break
        default: Issue.record("\(length): \(error)")
        }
      }
    }
    #expect(throws: PickleProblem.noStop) { try PickleInterpreter.run([]) }
  }
}
