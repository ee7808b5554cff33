internal import ByteIO
internal import Synchronization
public import Tensors

/// A dataset of an open file: what the library says of it at once, where its data lie when they
/// are first needed.
///
/// Data are read by position and decoded here, without the library. Safe to use from several
/// threads.
public final class HDF5Dataset: Sendable {
  /// Its path in the file.
  public let path: String
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]
  /// The attributes, sorted by the bytes of their names.
  public let attributes: [HDF5Attribute]

  let store: FileStore
  private let listed: ListedDataset
  private let address: UInt64
  private let problem: String?
  private let storage = Mutex<DatasetStorage?>(nil)

  init(
    _ listed: ListedDataset, path: String, address: UInt64, attributes: [HDF5Attribute],
    store: FileStore
  ) {
    self.listed = listed
    self.path = path
    self.address = address
    self.attributes = attributes
    self.store = store
    shape = listed.shape.map { Int(clamping: $0) }
    let isTooLarge = listed.shape.contains { $0 > UInt64(Int.max) }
    problem = listed.problem ?? (isTooLarge ? "a dataset with extents beyond 63 bits" : nil)
  }

  /// The type of the elements.
  public var elementType: HDF5ElementType { listed.element }

  /// The dtype of floats that the package computes with, nil for any other type.
  public var dtype: DType? {
    if case .float(let dtype, _) = listed.element { dtype } else { nil }
  }

  /// What of it is not supported, nil where it can be read.
  public var unsupported: String? {
    if let problem { return problem }
    if case .unsupported(let kind) = listed.element { return kind }
    return nil
  }

  /// The string of a scalar of variable length.
  var variableText: [UInt8] { listed.text }

  /// The attribute of that name.
  public func attribute(_ name: String) -> HDF5Value? { attributes.value(named: name) }

  /// An error about this dataset.
  func error(_ reason: HDF5Error.Reason) -> HDF5Error { store.error(.dataset(path), reason) }

  /// Adds path and dataset to what went wrong below.
  private func naming<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let failure as LibraryFailure {
      throw store.error(failure.object ?? .dataset(path), failure.reason)
    }
  }

  // MARK: Size

  /// Name, dtype and shape as a tensor.
  ///
  /// - Throws: `HDF5Error` where it has no dtype or its shape can't be.
  public func info(name: TensorName) throws -> TensorInfo {
    if let unsupported { throw error(.unsupported(unsupported)) }
    guard let dtype else {
      throw error(.wrongKind(found: elementType.kind, expected: "F64, F32, F16 or BF16"))
    }
    do {
      return try TensorInfo(name: name, dtype: dtype, shape: shape)
    } catch {
      throw self.error(.info(error))
    }
  }

  /// Bytes of an element, and of all.
  private func sizes() throws -> (element: Int, all: Int) {
    if let unsupported { throw error(.unsupported(unsupported)) }
    guard let element = listed.element.byteCount else {
      throw error(.unsupported(elementType.kind))
    }
    if dtype != nil { return (element, try info(name: "").byteCount) }
    // A string is read alone.
    guard shape.isEmpty else { throw error(.unsupported("an array of strings")) }
    return (element, element)
  }

  // MARK: Reading

  /// Finds where the data lie and checks that they lie inside the file, without reading them.
  ///
  /// Memory: 32 bytes for each stored chunk, kept.
  ///
  /// - Throws: `HDF5Error`, errors of reading.
  public func locate() throws { _ = try located() }

  /// The most bytes of elements that a tensor may have and the file not, as in a fresh B of zeros.
  static let unwrittenLimit = 64 << 20

  /// Locates the data of a tensor that is read whole: a few bytes must not stand for gigabytes.
  func locateWhole() throws {
    let found = try located().unwrittenBytes(of: try sizes().all)
    guard found <= HDF5Dataset.unwrittenLimit else {
      throw error(.neverWritten(found: found, limit: HDF5Dataset.unwrittenLimit))
    }
  }

  private func located() throws -> DatasetStorage {
    let sizes = try sizes()
    return try storage.withLock { storage in
      if let storage { return storage }
      let found = try naming {
        try DatasetStorage.find(
          listed, shape: shape, at: address, elementSize: sizes.element, byteCount: sizes.all,
          in: store.image)
      }
      storage = found
      return found
    }
  }

  /// Reads `buffer.count` bytes of the elements in row-major order, little-endian, beginning
  /// `byteOffset` bytes into them; decodes chunks on up to `threads` threads.
  ///
  /// Touches only the chunks that it needs. Memory: for each thread a stored chunk and up to
  /// three times a decoded one; for all threads the cache of the file.
  ///
  /// - Throws: `HDF5Error` for what is not supported or damaged, errors of reading.
  public func read(
    at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer, threads: Int = 1
  ) throws {
    let sizes = try sizes()
    precondition(byteOffset >= 0 && buffer.count <= sizes.all - byteOffset)
    guard unsafe !buffer.isEmpty else { return }
    switch try located() {
    case .nothing: unsafe fill(buffer, from: byteOffset)
    case .piece(let offset): try unsafe readPiece(at: offset, byteOffset, into: buffer)
    case .chunks(let grid, let table, let bareEdges):
      let target = unsafe ChunkTarget(
        buffer: buffer, range: byteOffset..<(byteOffset + buffer.count))
      let chunks = ChunkSearch.chunks(of: grid, in: target.range)
      let read: @Sendable (Int) throws -> Void = { index in
        try self.read(
          chunk: index, table[index], of: grid, bareEdges: bareEdges, into: target)
      }
      if threads <= 1 || chunks.count == 1 {
        for chunk in chunks { try read(chunk) }
      } else {
        _ = try Parallel.map(chunks.count, threads: threads) { try read(chunks[$0]) }
      }
    }
  }

  /// Where bytes of a range of the dataset go; tasks write different parts.
  @safe private struct ChunkTarget: @unchecked Sendable {
    let buffer: UnsafeMutableRawBufferPointer
    let range: Range<Int>

    /// The part of the buffer for `count` bytes from `position` in the dataset on.
    func part(_ position: Int, count: Int) -> UnsafeMutableRawBufferPointer {
      let start = position - range.lowerBound
      return unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + count)])
    }
  }

  private var isBigEndian: Bool {
    if case .float(_, bigEndian: true) = listed.element { true } else { false }
  }

  private func readPiece(
    at offset: Int, _ byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let file = store.image.file
    guard isBigEndian, let width = dtype?.elementByteCount else {
      return try unsafe file.read(at: offset + byteOffset, into: buffer)
    }
    let first = byteOffset / width * width
    let end = (byteOffset + buffer.count + width - 1) / width * width
    guard first != byteOffset || end != byteOffset + buffer.count else {
      try unsafe file.read(at: offset + byteOffset, into: buffer)
      return unsafe ByteOrder.swap(buffer, width: width)
    }
    // Elements that the range cuts are read whole.
    var whole = try file.bytes(at: offset + first, count: end - first)
    unsafe whole.withUnsafeMutableBytes { bytes in
      unsafe ByteOrder.swap(bytes, width: width)
      let start = byteOffset - first
      unsafe buffer.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + buffer.count)]))
    }
  }

  private func read(
    chunk index: Int, _ chunk: StoredChunk?, of grid: ChunkGrid, bareEdges: Bool,
    into target: ChunkTarget
  ) throws {
    let slice = ChunkSlice(grid: grid, index: index)
    guard slice.bounds.overlaps(target.range) else { return }
    guard let chunk else {
      slice.forEachRun(in: target.range) { _, position, count in
        unsafe fill(target.part(position, count: count), from: position)
      }
      return
    }
    let isBare = bareEdges && grid.isPartial(index)
    let filters = listed.filters.enumerated().compactMap { position, filter in
      isBare || chunk.mask & (1 << UInt32(position)) != 0 ? nil : filter
    }
    func decode(_ decoder: ChunkDecoder, into bytes: UnsafeMutableRawBufferPointer) throws {
      do {
        try unsafe decoder.decode(chunk, filters: filters, from: store.image.file, into: bytes)
      } catch let failure as ChunkDecoder.Failure {
        throw error(.chunk(offset: grid.origin(of: index), failure.text))
      }
      if isBigEndian { unsafe ByteOrder.swap(bytes, width: grid.elementSize) }
    }
    func copy(_ bytes: UnsafeRawBufferPointer) {
      slice.forEachRun(in: target.range) { start, position, count in
        unsafe target.part(position, count: count).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)]))
      }
    }
    let key = ChunkCache.Key(dataset: address, index: index)
    let isWhole =
      target.range.lowerBound <= slice.bounds.lowerBound
      && target.range.upperBound >= slice.bounds.upperBound
    if let entry = store.cache[key] {
      return withExtendedLifetime(entry) { unsafe copy(entry.bytes) }
    }
    try store.decoders.use { decoder in
      if isWhole, slice.isContiguous {
        let bytes = unsafe target.part(slice.bounds.lowerBound, count: slice.bounds.count)
        try unsafe decode(decoder, into: bytes)
      } else if isWhole {
        let bytes = unsafe decoder.scratch(grid.chunkSize)
        try unsafe decode(decoder, into: bytes)
        unsafe copy(UnsafeRawBufferPointer(bytes))
      } else {
        let entry = try unsafe ChunkCache.Entry(count: grid.chunkSize) {
          try unsafe decode(decoder, into: $0)
        }
        store.cache.insert(entry, for: key)
        withExtendedLifetime(entry) { unsafe copy(entry.bytes) }
      }
    }
  }

  /// Fills with the fill value as if from `byteOffset` on.
  private func fill(_ buffer: UnsafeMutableRawBufferPointer, from byteOffset: Int) {
    let pattern = isBigEndian ? Array(listed.fill.reversed()) : listed.fill
    guard pattern.contains(where: { $0 != 0 }) else {
      unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
      return
    }
    for position in buffer.indices {
      unsafe buffer[position] = pattern[(byteOffset + position) % pattern.count]
    }
  }
}
