internal import Synchronization
internal import Tensors

/// Tensors that are computed whole from others when they are read: transposed, padded, rounded.
///
/// Memory: the two read last, in their dtypes, and what computing one of them takes.
final class ComputedTensors: TensorSource {
  /// One tensor and how to get its bytes.
  struct Item: Sendable {
    let info: TensorInfo
    let bytes: @Sendable () throws -> [UInt8]
  }

  let label: String
  let tensors: [TensorInfo]
  private let items: [Item]
  private let indices: [TensorName: Int]
  private let kept = Mutex<[(index: Int, bytes: [UInt8])]>([])

  /// - Throws: `AdapterError.duplicateBlock` where two have one name.
  init(label: String, _ items: [Item]) throws(AdapterError) {
    self.label = label
    self.items = items
    tensors = items.map(\.info)
    var indices: [TensorName: Int] = [:]
    for (index, item) in items.enumerated() {
      guard indices.updateValue(index, forKey: item.info.name) == nil else {
        throw .duplicateBlock(item.info.name)
      }
    }
    self.indices = indices
  }

  func index(of name: TensorName) -> Int? { indices[name] }

  func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let bytes = try kept.withLock { kept in
      if let found = kept.first(where: { $0.index == index }) { return found.bytes }
      let bytes = try items[index].bytes()
      kept = kept.suffix(1) + [(index, bytes)]
      return bytes
    }
    unsafe bytes.withUnsafeBytes {
      unsafe buffer.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: $0[byteOffset..<(byteOffset + buffer.count)]))
    }
  }
}

extension ComputedTensors.Item {
  /// A matrix with rows and columns exchanged, to the bit.
  ///
  /// - Precondition: the tensor has two extents and whole bytes.
  static func transposed(_ tensor: TensorReference, name: TensorName) throws -> Self {
    let info = tensor.info
    let (rows, columns) = (info.shape[0], info.shape[1])
    return Self(
      info: try TensorInfo(name: name, dtype: info.dtype, shape: [columns, rows]),
      bytes: {
        try transposed(
          tensor.source.bytes(of: tensor.index), rows, columns, info.dtype.elementByteCount)
      })
  }

  /// Elements of `width` bytes, row-major, with rows and columns exchanged.
  static func transposed(
    _ bytes: [UInt8], _ rows: Int, _ columns: Int, _ width: Int
  ) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: bytes.count) { target, initialized in
      for row in 0..<rows {
        for column in 0..<columns {
          let from = (row * columns + column) * width
          let to = (column * rows + row) * width
          for byte in 0..<width { unsafe target[to + byte] = bytes[from + byte] }
        }
      }
      initialized = bytes.count
    }
  }
}
