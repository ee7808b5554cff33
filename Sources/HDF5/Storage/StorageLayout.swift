/// Where the data of a dataset lie, as its layout message says.
enum StorageLayout {
  /// In the object header itself.
  case compact(Range<Int>)
  /// In one piece; nil where none was ever written.
  case contiguous(Range<Int>?)
  /// In chunks of `dimensions`, found through `index`.
  case chunked(dimensions: [Int], index: Index)

  /// The ways to find chunks.
  enum Index {
    /// A B-tree of version 1.
    case tree(address: UInt64)
    /// One chunk; its size and mask where it is filtered.
    case single(address: UInt64, filtered: (size: UInt64, mask: UInt32)?)
    /// All chunks one after the other.
    case implicit(address: UInt64)
    /// A fixed array.
    case fixedArray(address: UInt64)
    /// An extensible array.
    case extensibleArray(address: UInt64)
    /// A B-tree of version 2.
    case newTree(address: UInt64)
  }

  /// The largest chunk that is read, in bytes.
  static let chunkLimit = 64 << 20

  /// Reads the layout of a dataset of elements of `elementSize` bytes.
  ///
  /// The second value: whether chunks that reach over an edge are stored without filters.
  static func read(
    of dataset: ListedDataset, at address: UInt64, elementSize: Int, in image: FileImage
  ) throws -> (layout: StorageLayout, bareEdges: Bool) {
    let message = try ObjectHeader.layoutMessage(at: address, in: image)
    var cursor = ByteCursor(message.content, what: "the layout")
    let version = try cursor.number(1)
    guard version == 3 || version == 4 else {
      throw LibraryFailure(.unsupported("version \(version) of the layout message"))
    }
    switch try cursor.number(1) {
    case 0:
      let size = try cursor.number(2)
      guard size <= cursor.remaining else { throw cursor.damaged("ends early") }
      let range = try image.range(
        message.offset + UInt64(cursor.position), size, what: "the data")
      return (.compact(range), false)
    case 1:
      let offset = try cursor.number(image.offsetSize)
      let size = try cursor.number(image.lengthSize)
      guard !image.isUndefined(offset) else { return (.contiguous(nil), false) }
      return (.contiguous(try image.range(offset, size, what: "the data")), false)
    case 2 where version == 3:
      let dimensionality = try cursor.integer(1)
      let index = Index.tree(address: try cursor.number(image.offsetSize))
      let dimensions = try chunkShape(
        &cursor, count: dimensionality, width: 4, of: dataset, elementSize: elementSize)
      return (.chunked(dimensions: dimensions, index: index), false)
    case 2:
      let flags = try cursor.number(1)
      let dimensionality = try cursor.integer(1)
      let width = try cursor.integer(1)
      guard (1...8).contains(width) else { throw cursor.damaged("has extents of \(width) bytes") }
      let dimensions = try chunkShape(
        &cursor, count: dimensionality, width: width, of: dataset, elementSize: elementSize)
      let index = try newIndex(&cursor, isFiltered: flags & 2 != 0, image: image)
      return (.chunked(dimensions: dimensions, index: index), flags & 1 != 0)
    case let other: throw LibraryFailure(.unsupported("a layout of class \(other)"))
    }
  }

  private static func newIndex(
    _ cursor: inout ByteCursor, isFiltered: Bool, image: FileImage
  ) throws(LibraryFailure) -> Index {
    switch try cursor.number(1) {
    case 1:
      var filtered: (size: UInt64, mask: UInt32)?
      if isFiltered {
        let size = try cursor.number(image.lengthSize)
        filtered = (size, UInt32(try cursor.number(4)))
      }
      return .single(address: try cursor.number(image.offsetSize), filtered: filtered)
    case 2: return .implicit(address: try cursor.number(image.offsetSize))
    case 3:
      try cursor.skip(1)
      return .fixedArray(address: try cursor.number(image.offsetSize))
    case 4:
      try cursor.skip(5)
      return .extensibleArray(address: try cursor.number(image.offsetSize))
    case 5:
      try cursor.skip(6)
      return .newTree(address: try cursor.number(image.offsetSize))
    case let other: throw LibraryFailure(.unsupported("a chunk index of type \(other)"))
    }
  }

  /// The extents of chunks, the last field being the size of an element.
  private static func chunkShape(
    _ cursor: inout ByteCursor, count: Int, width: Int, of dataset: ListedDataset,
    elementSize: Int
  ) throws(LibraryFailure) -> [Int] {
    guard count == dataset.shape.count + 1, count > 1 else {
      throw cursor.damaged("has chunks of another rank than the dataset")
    }
    var dimensions: [Int] = []
    var size = elementSize
    for _ in 1..<count {
      let extent = try cursor.number(width)
      guard extent > 0 else { throw cursor.damaged("has chunks without elements") }
      let (product, overflow) = size.multipliedReportingOverflow(by: Int(clamping: extent))
      guard !overflow, product <= chunkLimit else {
        throw LibraryFailure(.tooMany(what: "bytes in a chunk", limit: chunkLimit))
      }
      size = product
      dimensions.append(Int(extent))
    }
    let found = try cursor.number(width)
    guard found == UInt64(elementSize) else {
      throw cursor.damaged(
        "has elements of another size (found \(found) bytes, expected \(elementSize))")
    }
    return dimensions
  }
}
