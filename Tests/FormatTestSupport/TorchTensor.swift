/// A storage as tests describe it.
package struct TorchStorage {
  package var key: String
  package var bytes: [UInt8]
  package var type = "FloatStorage"
  package var module = "torch"
  package var declaredCount: Int

  /// A storage of float32 numbers.
  package init(_ key: String, floats: [Float]) {
    self.key = key
    bytes = floats.flatMap { little($0.bitPattern) }
    declaredCount = floats.count
  }

  /// A storage of other elements.
  package init(_ key: String, type: String, count: Int, bytes: [UInt8]) {
    self.key = key
    self.type = type
    self.bytes = bytes
    declaredCount = count
  }

  /// The numbers from 0 up to a count.
  package static func counting(_ key: String = "0", to count: Int) -> TorchStorage {
    TorchStorage(key, floats: (0..<count).map(Float.init))
  }
}

/// A tensor as tests describe it.
package struct TorchTensor {
  package var storage: TorchStorage
  package var offset = 0
  package var shape: [Int]
  package var strides: [Int]
  package var function = "_rebuild_tensor_v2"
  package var dtype: String?
  package var metadata: (inout PickleBuilder) -> Void = { _ in }

  package init(_ storage: TorchStorage, _ shape: [Int], strides: [Int]? = nil, offset: Int = 0) {
    self.storage = storage
    self.shape = shape
    self.offset = offset
    self.strides =
      strides ?? shape.indices.map { shape[($0 + 1)...].reduce(1, &*) }
  }
}
