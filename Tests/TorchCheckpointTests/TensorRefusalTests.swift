import FormatTestSupport
import Tensors
import Testing
import TorchCheckpoint

/// Items 63 to 65 of the robustness list: tensors and the storages they lie in.
struct TensorRefusalTests {
  private func expect(
    _ problem: TorchCheckpointError.TensorProblem, _ tensor: TorchTensor,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    TestCheckpoint(["x": tensor]).expect(tensor: problem, sourceLocation: sourceLocation)
  }

  @Test("63: the storage's bytes are not those of its elements", arguments: [-1, 1, 5])
  func item63(surplus: Int) {
    var storage = TorchStorage.counting(to: 6)
    storage.declaredCount += surplus
    expect(
      .wrongStorageSize(found: 24, expected: 24 + 4 * surplus), TorchTensor(storage, [2, 2]))
  }

  @Test("63: bytes that do not fill elements, negative counts and counts that overflow")
  func item63Extremes() {
    var storage = TorchStorage("0", type: "LongStorage", count: 1, bytes: [1, 2, 3, 4, 5, 6, 7])
    expect(.wrongStorageSize(found: 7, expected: 8), TorchTensor(storage, [1]))
    storage.declaredCount = -1
    expect(.wrongStorageSize(found: 7, expected: -8), TorchTensor(storage, [1]))
    for count in [Int.max, 1 << 61, .min] {
      storage.declaredCount = count
      expect(.wrongStorageSize(found: 7, expected: nil), TorchTensor(storage, [1]))
    }
  }

  @Test(
    "64: a shape, stride or offset past the storage",
    arguments: [
      ([7], [1], 0, 7), ([6], [1], 1, 7), ([2, 3], [4, 1], 0, 7), ([2, 3], [3, 2], 0, 8),
      ([1], [1], 6, 7), ([], [], 6, 7), ([0], [1], 7, 7), ([2], [1 << 62], 0, (1 << 62) + 1),
      ([2], [1], .max - 1, nil), ([2], [.max], 0, nil), ([3], [1 << 62], 0, nil),
      ([2, 2], [.max / 2 + 1, .max / 2 + 1], 0, nil), ([1], [1], .max, nil),
    ] as [([Int], [Int], Int, Int?)])
  func item64(shape: [Int], strides: [Int], offset: Int, needed: Int?) {
    expect(
      .outsideStorage(found: needed, expected: 6),
      TorchTensor(.counting(to: 6), shape, strides: strides, offset: offset))
  }

  @Test("64: negative strides and offsets")
  func item64Negative() {
    let storage = TorchStorage.counting(to: 6)
    expect(.negativeStride(found: -1), TorchTensor(storage, [2, 3], strides: [3, -1], offset: 2))
    expect(.negativeStride(found: .min), TorchTensor(storage, [2], strides: [.min]))
    expect(.negativeOffset(found: -1), TorchTensor(storage, [2, 3], offset: -1))
    expect(.negativeOffset(found: .min), TorchTensor(storage, [2, 3], offset: .min))
  }

  @Test("64: shapes that can't be, and other numbers of strides")
  func item64Shapes() {
    let storage = TorchStorage.counting(to: 6)
    expect(.info(.negativeDimension(found: -2)), TorchTensor(storage, [-2, 3], strides: [3, 1]))
    let huge = [1 << 32, 1 << 32]
    expect(.info(.sizeOverflow(shape: huge)), TorchTensor(storage, huge, strides: [0, 0]))
    expect(.info(.sizeOverflow(shape: [1 << 61])), TorchTensor(storage, [1 << 61], strides: [0]))
    expect(.wrongStrideCount(found: 1, expected: 2), TorchTensor(storage, [2, 3], strides: [1]))
    let ones = [Int](repeating: 1, count: 9)
    expect(.malformedShape, TorchTensor(storage, ones, strides: ones))
    expect(.malformedShape, TorchTensor(storage, [6], strides: ones))
  }

  @Test("64: a shape that is no tuple of integers")
  func item64Types() {
    let storage = TorchStorage.counting(to: 6)
    for (shape, isTuple) in [("(Nt", true), ("]", false), ("(\u{47}\0\0\0\0\0\0\0\0t", true)] {
      let pickle = PickleBuilder.pickle { pickle in
        pickle.op("}")
        pickle.text("x")
        pickle.global("torch._utils", "_rebuild_tensor")
        pickle.op("(")
        pickle.storage(storage)
        pickle.integer(0)
        pickle.op(shape)
        pickle.op(")tRs")
      }
      let checkpoint = TestCheckpoint(pickle: pickle, storages: [storage])
      if isTuple {
        checkpoint.expect(tensor: .malformedShape)
      } else {
        checkpoint.expect(
          pickle: .badArguments(
            function: "torch._utils._rebuild_tensor", expected: "storage, offset, size, stride"))
      }
    }
  }

  @Test("64: a view that repeats a small storage is read up to 64 MiB")
  func item64Repeats() throws {
    let storage = TorchStorage.counting(to: 1)
    let most = 16 << 20
    let opened = try TestCheckpoint(["x": TorchTensor(storage, [most], strides: [0])]).open()
    #expect(opened.tensors.map(\.byteCount) == [64 << 20])
    expect(
      .repeatsTooMuch(found: (64 << 20) + 4, limit: 64 << 20),
      TorchTensor(storage, [most + 1], strides: [0]))
  }

  @Test("65: tensors that share a storage, whole, in part and transposed")
  func item65() throws {
    let storage = TorchStorage.counting(to: 6)
    let opened = try TestCheckpoint([
      "whole": TorchTensor(storage, [2, 3]), "same": TorchTensor(storage, [2, 3]),
      "part": TorchTensor(storage, [2], offset: 4),
      "transposed": TorchTensor(storage, [3, 2], strides: [1, 3]),
    ]).open()
    #expect(opened.tensors.map(\.name) == ["whole", "same", "part", "transposed"])
    #expect(try opened.float64(of: 0) == [0, 1, 2, 3, 4, 5])
    #expect(try opened.float64(of: 1) == [0, 1, 2, 3, 4, 5])
    #expect(try opened.float64(of: 2) == [4, 5])
    #expect(try opened.float64(of: 3) == [0, 3, 1, 4, 2, 5])
  }

  @Test("A storage that is not in the archive, and a key that looks like a path")
  func missingStorage() {
    for key in ["1", "../data.pkl", ""] {
      var checkpoint = TestCheckpoint(
        ["x": TorchTensor(TorchStorage(key, floats: [1]), [1])])
      checkpoint.zip.entries.removeAll { $0.central.name == Array("model/data/\(key)".utf8) }
      checkpoint.expect(tensor: .missingStorage(key: key))
    }
  }

  @Test(
    "Storage classes and dtypes that are not read",
    arguments: ["ComplexDoubleStorage", "QInt8Storage", "QUInt8Storage", "QInt32Storage"])
  func unsupportedStorage(type: String) {
    let storage = TorchStorage("0", type: type, count: 1, bytes: [1])
    expect(.unsupportedType(type), TorchTensor(storage, [1]))
  }

  @Test("Untyped storages without a dtype, with an unsupported one, and of another one")
  func unsupportedDType() {
    var storage = TorchStorage("0", type: "UntypedStorage", count: 4, bytes: [1, 2, 3, 4])
    storage.module = "torch.storage"
    expect(.unsupportedType("UntypedStorage"), TorchTensor(storage, [1]))
    var tensor = TorchTensor(storage, [1])
    tensor.function = "_rebuild_tensor_v3"
    tensor.dtype = "complex128"
    expect(.unsupportedType("torch.complex128"), tensor)
    tensor.storage = TorchStorage.counting(to: 1)
    tensor.dtype = "uint32"
    expect(.unsupportedType("U32 in F32"), tensor)
    storage.type = "TypedStorage"
    expect(.unsupportedType("TypedStorage"), TorchTensor(storage, [1]))
  }

  @Test("A tensor stored conjugated or negated")
  func transformed() throws {
    var tensor = TorchTensor(.counting(to: 2), [2])
    tensor.metadata = {
      $0.op("}")
      $0.text("conj")
      $0.raw([0x88])
      $0.op("s")
    }
    expect(.transformed, tensor)
    for empty in ["}", "N"] {
      tensor.metadata = { $0.op(empty) }
      #expect(try TestCheckpoint(["x": tensor]).open().float64(of: 0) == [0, 1])
    }
  }

  @Test("A name that stands twice, and one over the limit")
  func names() {
    let tensor = TorchTensor(.counting(to: 2), [2])
    TestCheckpoint(["x": tensor, "y": tensor, "x": tensor]).expect(tensor: .duplicateName)
    let long = String(repeating: "é", count: 2049)
    TestCheckpoint([long: tensor]).expect {
      .tensor(path: $0, name: TensorName(long), .nameTooLong(found: 4098, limit: 4096))
    }
  }
}
