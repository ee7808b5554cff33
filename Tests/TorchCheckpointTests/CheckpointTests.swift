import ByteIO
import FormatTestSupport
import Tensors
import TestSupport
import Testing
import TorchCheckpoint

/// What checkpoints hold, and how their dictionary is found.
struct CheckpointTests {
  private let tensor = TorchTensor(.counting(to: 2), [2])

  @Test("Tensors keep the order of the file; names are told apart by their bytes")
  func order() throws {
    let opened = try TestCheckpoint([
      "z": tensor, "a": tensor, "e\u{301}": tensor, "\u{e9}": tensor, "": tensor,
      "\u{1b}[2J": tensor,
    ]).open()
    let names: [TensorName] = ["z", "a", "e\u{301}", "\u{e9}", "", "\u{1b}[2J"]
    #expect(opened.tensors.map(\.name) == names)
    #expect(names.map { opened.index(of: $0) } == [0, 1, 2, 3, 4, 5])
    #expect(opened.index(of: "b") == nil)
    #expect(opened.label.hasSuffix("/model.pt"))
    #expect(opened.ignoredKeys == [])
    #expect(opened.size > 0)
  }

  @Test(
    "Every storage class and dtype",
    arguments: [
      ("DoubleStorage", .f64), ("FloatStorage", .f32), ("HalfStorage", .f16),
      ("BFloat16Storage", .bf16), ("LongStorage", .i64), ("IntStorage", .i32),
      ("ShortStorage", .i16), ("CharStorage", .i8), ("ByteStorage", .u8), ("BoolStorage", .bool),
      ("ComplexFloatStorage", .c64), ("uint16", .u16), ("uint32", .u32), ("uint64", .u64),
      ("float8_e4m3fn", .f8E4M3), ("float8_e5m2", .f8E5M2), ("float8_e8m0fnu", .f8E8M0),
      ("float8_e4m3fnuz", .f8E4M3FNUZ), ("float8_e5m2fnuz", .f8E5M2FNUZ), ("float32", .f32),
      ("float64", .f64), ("float16", .f16), ("bfloat16", .bf16), ("int64", .i64),
      ("int32", .i32), ("int16", .i16), ("int8", .i8), ("uint8", .u8), ("bool", .bool),
      ("complex64", .c64),
    ] as [(String, DType)])
  func dtypes(name: String, dtype: DType) throws {
    let size = dtype.bitWidth / 8
    let bytes = (0..<UInt8(6 * size)).map { $0 }
    var storage = TorchStorage("0", type: name, count: 6, bytes: bytes)
    var dtypeName: String?
    if !name.hasSuffix("Storage") {
      dtypeName = name
      storage.type = "UntypedStorage"
      storage.module = "torch.storage"
      storage.declaredCount = bytes.count
    }
    for (strides, order) in [([2, 1], [0, 1, 2, 3, 4, 5]), ([1, 3], [0, 3, 1, 4, 2, 5])] {
      var tensor = TorchTensor(storage, [3, 2], strides: strides)
      tensor.dtype = dtypeName
      tensor.function = dtypeName == nil ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3"
      let opened = try TestCheckpoint(["x": tensor]).open()
      #expect(opened.tensors.map(\.dtype) == [dtype])
      let expected = order.flatMap { bytes[($0 * size)..<(($0 + 1) * size)] }
      #expect(try opened.bytes(of: 0) == expected)
    }
  }

  @Test("The first version of the tensor builder")
  func firstVersion() throws {
    var tensor = tensor
    tensor.function = "_rebuild_tensor"
    #expect(try TestCheckpoint(["x": tensor]).open().float64(of: 0) == [0, 1])
  }

  @Test("Parameters, with and without attributes, and torch.Size")
  func parameters() throws {
    let pickle = PickleBuilder.pickle { pickle in
      pickle.op("}(")
      pickle.text("plain")
      pickle.parameter(tensor)
      pickle.text("with attributes")
      pickle.global("torch._utils", "_rebuild_parameter_with_state")
      pickle.op("(")
      pickle.tensor(tensor)
      pickle.raw([0x88])
      pickle.op("}}tR")
      pickle.text("size")
      pickle.global("torch", "Size")
      pickle.op("()tR")
      pickle.op("u")
    }
    let opened = try TestCheckpoint(pickle: pickle, storages: [tensor.storage]).open()
    #expect(opened.tensors.map(\.name) == ["plain", "with attributes"])
    #expect(try opened.float64(of: 1) == [0, 1])
    #expect(opened.ignoredKeys == ["size"])
  }

  @Test("An OrderedDict with the attributes that state_dict() gives it")
  func orderedDictionary() throws {
    let pickle = PickleBuilder.pickle { pickle in
      pickle.global("collections", "OrderedDict")
      pickle.op(")R(")
      pickle.text("x")
      pickle.tensor(tensor)
      pickle.op("u}")
      pickle.text("_metadata")
      pickle.op("}sb")
    }
    let opened = try TestCheckpoint(pickle: pickle, storages: [tensor.storage]).open()
    #expect(opened.tensors.map(\.name) == ["x"])
  }

  @Test(
    "The model's dictionary inside a trainer's",
    arguments: ["state_dict", "model_state_dict", "model", "module"], [false, true])
  func wrapped(key: String, hasOuterTensor: Bool) throws {
    let pickle = PickleBuilder.pickle { pickle in
      pickle.op("}(")
      pickle.text("epoch")
      pickle.integer(3)
      if hasOuterTensor {
        pickle.text("loss")
        pickle.tensor(tensor)
      }
      pickle.text(key)
      pickle.op("}(")
      pickle.text("x")
      pickle.tensor(tensor)
      pickle.text("version")
      pickle.op("NK\u{7}NuNNu")
    }
    let opened = try TestCheckpoint(pickle: pickle, storages: [tensor.storage]).open()
    #expect(opened.tensors.map(\.name) == ["x"])
    #expect(
      opened.ignoredKeys
        == ["epoch"] + (hasOuterTensor ? ["loss"] : []) + ["None", "\(key).version", "\(key).7"])
  }

  @Test("Of several wrappers the first by name that has tensors; one without is passed over")
  func severalWrappers() throws {
    let pickle = PickleBuilder.pickle { pickle in
      pickle.op("}(")
      for (key, name) in [("module", "m"), ("model", "x"), ("state_dict", nil)] {
        pickle.text(key)
        pickle.op("}")
        guard let name else { continue }
        pickle.text(name)
        pickle.tensor(tensor)
        pickle.op("s")
      }
      pickle.op("u")
    }
    let opened = try TestCheckpoint(pickle: pickle, storages: [tensor.storage]).open()
    #expect(opened.tensors.map(\.name) == ["x"])
    #expect(opened.ignoredKeys == ["module", "state_dict"])
  }

  @Test("A wrapper that stands twice")
  func wrapperTwice() {
    let pickle = PickleBuilder.pickle { pickle in
      pickle.op("}(")
      for _ in 0..<2 {
        pickle.text("model")
        pickle.op("}")
        pickle.text("x")
        pickle.tensor(tensor)
        pickle.op("s")
      }
      pickle.op("u")
    }
    TestCheckpoint(pickle: pickle, storages: [tensor.storage])
      .expect { .tensor(path: $0, name: "model", .duplicateName) }
  }

  @Test("A tensor named like a wrapper is a tensor")
  func tensorNamedModel() throws {
    #expect(try TestCheckpoint(["model": tensor]).open().tensors.map(\.name) == ["model"])
  }

  @Test("Something else than a dictionary, and dictionaries without tensors")
  func noTensors() {
    TestCheckpoint(pickle: PickleBuilder.pickle { $0.tensor(tensor) }, storages: [tensor.storage])
      .expect { .notADictionary(path: $0, found: "tensor") }
    TestCheckpoint(pickle: PickleBuilder.pickle { $0.op("]") })
      .expect { .notADictionary(path: $0, found: "list") }
    TestCheckpoint(pickle: PickleBuilder.pickle { $0.op("}") })
      .expect { .noTensors(path: $0, keys: []) }
    let nested = PickleBuilder.pickle {
      $0.op("}(")
      $0.text("state")
      $0.op("}")
      $0.integer(1)
      $0.op("Nu")
    }
    TestCheckpoint(pickle: nested).expect { .noTensors(path: $0, keys: ["state", "1"]) }
  }

  @Test("Byte order: little or not said is read, anything else refused")
  func byteOrder() throws {
    let pickle = PickleBuilder.pickle {
      $0.op("}")
      $0.text("x")
      $0.tensor(tensor)
      $0.op("s")
    }
    func checkpoint(_ order: String?) -> TestCheckpoint {
      TestCheckpoint(pickle: pickle, storages: [tensor.storage], byteOrder: order)
    }
    #expect(try checkpoint(nil).open().tensors.count == 1)
    for order in ["big", "", "little\n", "LITTLE"] {
      checkpoint(order).expect { .byteOrder(path: $0, found: order) }
    }
    checkpoint(String(repeating: "b", count: 17)).expect {
      .entryTooLarge(path: $0, entry: "model/byteorder", found: 17, limit: 16)
    }
  }

  @Test("A TorchScript program, and zip archives that hold no checkpoint")
  func otherArchives() {
    var checkpoint = TestCheckpoint(["x": tensor])
    checkpoint.zip.add("model/constants.pkl", [0x80, 2, 0x29, 0x2e])
    checkpoint.expect { .torchScript(path: $0) }
    for name in ["data.pkl", "a/b/data.pkl", "model/data.pkl/", "model/Data.pkl"] {
      checkpoint.zip = ZipBuilder()
      checkpoint.zip.add(name, [0x80, 2, 0x7d, 0x2e])
      checkpoint.expect { .noPickle(path: $0) }
    }
    checkpoint.zip = ZipBuilder()
    checkpoint.expect { .noPickle(path: $0) }
  }

  @Test("Threads that read all tensors at once")
  func threads() async throws {
    let storages = (0..<8).map {
      TorchStorage("\($0)", floats: [Float](repeating: Float($0), count: 5000))
    }
    var pickle = PickleBuilder()
    pickle.op("}(")
    for storage in storages {
      pickle.text(storage.key)
      pickle.tensor(TorchTensor(storage, [50, 100], strides: [1, 50]))
    }
    pickle.op("u.")
    let opened = try TestCheckpoint(pickle: pickle.bytes, storages: storages).open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for index in opened.tensors.indices {
            let bytes = try opened.bytes(of: index)
            #expect(bytes == storages[index].bytes)
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
