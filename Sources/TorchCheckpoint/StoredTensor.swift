internal import Tensors

/// A tensor whose place in the archive is found and checked.
struct StoredTensor: Sendable {
  let info: TensorInfo
  /// The archive's entry that holds its storage.
  let entry: Int
  let view: StridedView
  let isContiguous: Bool

  /// The most bytes a view may have that is larger than its storage, because strides of 0 repeat
  /// elements: such a tensor is small in the file, whatever its shape says.
  static let maximumRepeatedSize = 64 << 20

  /// Finds a tensor's storage and checks that its elements lie inside.
  init(
    _ name: TensorName, _ tensor: PickleTensor, heap: PickleHeap, archive: ZipArchive,
    folder: String
  ) throws(TorchCheckpointError.TensorProblem) {
    let nameSize = name.string.utf8.count
    guard nameSize <= TorchCheckpoint.maximumNameSize else {
      throw .nameTooLong(found: nameSize, limit: TorchCheckpoint.maximumNameSize)
    }
    guard !tensor.isTransformed else { throw .transformed }
    let storage = heap.storages[tensor.storage]
    let (dtype, storageCount) = try StoredTensor.elements(of: storage, as: tensor.type)
    guard let shape = heap.integers(of: tensor.shape, limit: TensorInfo.maximumRank),
      let strides = heap.integers(of: tensor.strides, limit: TensorInfo.maximumRank)
    else { throw .malformedShape }
    do {
      info = try TensorInfo(name: name, dtype: dtype, shape: shape)
    } catch {
      throw .info(error)
    }
    guard let entry = archive.index(of: "\(folder)/data/\(storage.key)") else {
      throw .missingStorage(key: storage.key)
    }
    self.entry = entry
    try StoredTensor.checkSize(of: storage, dtype, found: archive.entries[entry].size)
    view = try StridedView(
      info, strides: strides, offset: tensor.offset, storageCount: storageCount)
    isContiguous = view.isContiguous
    guard info.elementCount <= storageCount || info.byteCount <= StoredTensor.maximumRepeatedSize
    else {
      throw .repeatsTooMuch(found: info.byteCount, limit: StoredTensor.maximumRepeatedSize)
    }
  }

  /// The element type, and how many such elements the storage has.
  private static func elements(
    of storage: PickleStorage, as type: StorageType?
  ) throws(TorchCheckpointError.TensorProblem) -> (dtype: DType, count: Int) {
    switch (storage.type, type) {
    case (.unsupported(let name), _), (_, .unsupported(let name)?): throw .unsupportedType(name)
    case (.untyped, nil), (.untyped, .untyped?): throw .unsupportedType("UntypedStorage")
    case (.untyped, .typed(let dtype)?): return (dtype, storage.count / dtype.elementByteCount)
    case (.typed(let dtype), nil), (.typed(let dtype), .untyped?): return (dtype, storage.count)
    case (.typed(let found), .typed(let dtype)?):
      guard found == dtype else { throw .unsupportedType("\(dtype.rawValue) in \(found.rawValue)") }
      return (dtype, storage.count)
    }
  }

  private static func checkSize(
    of storage: PickleStorage, _ dtype: DType, found: Int
  ) throws(TorchCheckpointError.TensorProblem) {
    let size = storage.type == .untyped ? 1 : dtype.elementByteCount
    let (expected, overflow) = storage.count.multipliedReportingOverflow(by: size)
    guard !overflow, found == expected else {
      throw .wrongStorageSize(found: found, expected: overflow ? nil : expected)
    }
  }
}
