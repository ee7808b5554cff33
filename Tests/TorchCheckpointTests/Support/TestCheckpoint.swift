import ByteIO
import Tensors
import TestSupport
import Testing
import TorchCheckpoint

/// A storage as tests describe it.
struct TestStorage {
  var key: String
  var bytes: [UInt8]
  var type = "FloatStorage"
  var module = "torch"
  var declaredCount: Int

  /// A storage of float32 numbers.
  init(_ key: String, floats: [Float]) {
    self.key = key
    bytes = floats.flatMap { little($0.bitPattern) }
    declaredCount = floats.count
  }

  /// A storage of other elements.
  init(_ key: String, type: String, count: Int, bytes: [UInt8]) {
    self.key = key
    self.type = type
    self.bytes = bytes
    declaredCount = count
  }

  /// The numbers from 0 up to a count.
  static func counting(_ key: String = "0", to count: Int) -> TestStorage {
    TestStorage(key, floats: (0..<count).map(Float.init))
  }
}

/// A tensor as tests describe it.
struct TestTensor {
  var storage: TestStorage
  var offset = 0
  var shape: [Int]
  var strides: [Int]
  var function = "_rebuild_tensor_v2"
  var dtype: String?
  var metadata: (inout PickleBuilder) -> Void = { _ in }

  init(_ storage: TestStorage, _ shape: [Int], strides: [Int]? = nil, offset: Int = 0) {
    self.storage = storage
    self.shape = shape
    self.offset = offset
    self.strides =
      strides ?? shape.indices.map { shape[($0 + 1)...].reduce(1, &*) }
  }
}

/// A checkpoint in a temporary folder.
struct TestCheckpoint {
  let folder = TemporaryFolder()
  var zip = ZipBuilder()

  var path: String { folder.file("model.pt") }

  /// An archive of a pickle and the storages it names.
  init(pickle: [UInt8], storages: [TestStorage] = [], byteOrder: String? = "little") {
    zip.add("model/data.pkl", pickle)
    if let byteOrder { zip.add("model/byteorder", Array(byteOrder.utf8)) }
    for storage in storages { zip.add("model/data/\(storage.key)", storage.bytes) }
    zip.add("model/version", Array("3\n".utf8))
  }

  /// A dictionary of tensors with a storage each, or sharing those of one key.
  init(_ tensors: KeyValuePairs<String, TestTensor>) {
    self.init(
      pickle: PickleBuilder.pickle { pickle in
        pickle.op("}(")
        for (name, tensor) in tensors {
          pickle.text(name)
          pickle.tensor(tensor)
        }
        pickle.op("u")
      }, storages: TestCheckpoint.distinct(tensors.map(\.value.storage)))
  }

  static func distinct(_ storages: [TestStorage]) -> [TestStorage] {
    var keys: Set<String> = []
    return storages.filter { keys.insert($0.key).inserted }
  }

  /// The position of an entry in the builder.
  func entry(_ name: String) -> Int {
    zip.entries.firstIndex { $0.central.name == Array(name.utf8) } ?? 0
  }

  /// Changes an entry.
  mutating func edit(_ name: String, _ change: (inout ZipBuilder.Entry) -> Void) {
    change(&zip.entries[entry(name)])
  }

  /// Writes the archive and opens it.
  func open() throws -> TorchCheckpoint {
    try folder.write(zip.build(), to: "model.pt")
    return try TorchCheckpoint(path: path)
  }

  /// Expects that opening fails in one way.
  func expect(
    _ error: (_ path: String) -> TorchCheckpointError,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: error(path), sourceLocation: sourceLocation) { try open() }
  }

  /// Expects a problem of the archive.
  func expect(zip problem: ZipProblem, sourceLocation: SourceLocation = #_sourceLocation) {
    expect({ .archive(path: $0, problem) }, sourceLocation: sourceLocation)
  }

  /// Expects a problem of the pickle.
  func expect(pickle problem: PickleProblem, sourceLocation: SourceLocation = #_sourceLocation) {
    expect({ .pickle(path: $0, problem) }, sourceLocation: sourceLocation)
  }

  /// Expects a problem of the tensor `x`.
  func expect(
    tensor problem: TorchCheckpointError.TensorProblem,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    expect({ .tensor(path: $0, name: "x", problem) }, sourceLocation: sourceLocation)
  }
}
