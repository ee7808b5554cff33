/// Tensors that can be read piece by piece: a file, an archive, a set of shards, memory.
///
/// Formats implement it, engines read through it; neither knows the other. Implementations are
/// safe to call from several threads at once.
public protocol TensorSource: Sendable {
  /// What to call the source in messages, usually the file's path.
  var label: String { get }

  /// The tensors in the order of their data.
  var tensors: [TensorInfo] { get }

  /// The position in `tensors` of the tensor of that name.
  func index(of name: TensorName) -> Int?

  /// Reads `buffer.count` bytes of tensor `index`, beginning `byteOffset` bytes into it.
  ///
  /// - Throws: an error of the format or the operating system; never for a range inside the
  ///   tensor of an intact file.
  func read(tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer)
    throws
}

extension TensorSource {
  /// The size of all tensors in bytes; the largest number where it is beyond counting, as sparse
  /// files can declare.
  package var byteCount: Int { saturatingSum(\.byteCount) }

  /// The number of elements of all tensors, bounded likewise.
  package var elementCount: Int { saturatingSum(\.elementCount) }

  private func saturatingSum(_ count: KeyPath<TensorInfo, Int>) -> Int {
    tensors.reduce(0) { sum, info in
      let (total, overflow) = sum.addingReportingOverflow(info[keyPath: count])
      return overflow ? .max : total
    }
  }

  /// All bytes of a tensor.
  package func bytes(of index: Int) throws -> [UInt8] {
    try bytes(of: index, range: 0..<tensors[index].byteCount)
  }

  /// Some bytes of a tensor.
  package func bytes(of index: Int, range: Range<Int>) throws -> [UInt8] {
    try unsafe [UInt8](unsafeUninitializedCapacity: range.count) { buffer, initialized in
      try unsafe read(
        tensor: index, at: range.lowerBound,
        into: UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(buffer)[..<range.count]))
      initialized = range.count
    }
  }

  /// All elements of a tensor of an arithmetic dtype in float64.
  package func float64(of index: Int) throws -> [Double] {
    let info = tensors[index]
    let raw = try bytes(of: index)
    return unsafe raw.withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: info.dtype) }
  }
}

/// One tensor of a source.
public struct TensorReference: Sendable {
  /// Where it lies.
  public let source: any TensorSource
  /// Its position in `source.tensors`.
  public let index: Int

  /// Refers to tensor `index` of `source`.
  public init(source: any TensorSource, index: Int) {
    self.source = source
    self.index = index
  }

  /// Name, dtype and shape.
  public var info: TensorInfo { source.tensors[index] }
}

/// Tensors held in memory, for results that are small and for tests.
public struct MemoryTensorSource: TensorSource {
  /// What to call the source in messages.
  public let label: String
  /// The tensors in order.
  public let tensors: [TensorInfo]
  private let contents: [[UInt8]]
  private let indices: [TensorName: Int]

  /// Holds tensors and their little-endian bytes.
  ///
  /// Each content must have its tensor's `byteCount`, and names must differ.
  public init(label: String, tensors: [(info: TensorInfo, bytes: [UInt8])]) {
    for (info, bytes) in tensors {
      precondition(bytes.count == info.byteCount, "\(info.name): \(bytes.count) bytes")
    }
    self.label = label
    self.tensors = tensors.map(\.info)
    contents = tensors.map(\.bytes)
    indices = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.info.name, $0) })
  }

  /// The position of the tensor of that name.
  public func index(of name: TensorName) -> Int? { indices[name] }

  /// Copies bytes of a tensor.
  public func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    unsafe contents[index].withUnsafeBytes {
      unsafe buffer.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: $0[byteOffset..<(byteOffset + buffer.count)]))
    }
  }
}
