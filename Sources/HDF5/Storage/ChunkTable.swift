/// A stored chunk.
struct StoredChunk: Sendable {
  /// Its number in the grid.
  let index: Int
  let offset: Int
  let size: Int
  /// Filters that were left out, by their position from the lowest bit on.
  let mask: UInt32
}

/// The stored chunks of a dataset, by their number in the grid.
struct ChunkTable: Sendable {
  /// The most chunks that are taken.
  static let limit = 4_000_000

  private let chunks: [StoredChunk]

  /// How many there are.
  var count: Int { chunks.count }

  /// Sorts chunks.
  ///
  /// - Throws: `LibraryFailure` where two are the same.
  init(_ found: [StoredChunk], grid: ChunkGrid) throws(LibraryFailure) {
    var sorted = found
    if zip(found, found.dropFirst()).contains(where: { $0.index >= $1.index }) {
      sorted.sort { $0.index < $1.index }
      for (one, next) in zip(sorted, sorted.dropFirst()) where one.index == next.index {
        throw LibraryFailure(.chunk(offset: grid.origin(of: one.index), "stored twice"))
      }
    }
    chunks = sorted
  }

  /// A chunk; nil where it was never written.
  subscript(index: Int) -> StoredChunk? {
    // Usually all are there.
    if index < chunks.count, chunks[index].index == index { return chunks[index] }
    var (low, high) = (0, chunks.count)
    while low < high {
      let middle = (low + high) / 2
      if chunks[middle].index < index { low = middle + 1 } else { high = middle }
    }
    return low < chunks.count && chunks[low].index == index ? chunks[low] : nil
  }
}

/// Takes chunks from an index and checks each.
struct ChunkCollector {
  let image: FileImage
  let grid: ChunkGrid
  /// Whether chunks go through filters, which change their size.
  let isFiltered: Bool
  private(set) var chunks: [StoredChunk] = []
  /// How many the index has named, those that are left out as well.
  private var taken = 0

  init(image: FileImage, grid: ChunkGrid, isFiltered: Bool) {
    self.image = image
    self.grid = grid
    self.isFiltered = isFiltered
  }

  /// Takes a chunk at a place of the grid; the size is nil where it is that of its elements.
  mutating func take(
    at place: [UInt64], address: UInt64, size: UInt64? = nil, mask: UInt32 = 0
  ) throws(LibraryFailure) {
    // A damaged index can name the same places again and again.
    taken += 1
    guard taken <= 4 * ChunkTable.limit else {
      throw LibraryFailure(.tooMany(what: "chunks in its index", limit: 4 * ChunkTable.limit))
    }
    // Places beyond the edge are left from when the dataset was larger.
    guard !image.isUndefined(address), let index = grid.index(of: place) else { return }
    guard chunks.count < ChunkTable.limit else {
      throw LibraryFailure(.tooMany(what: "chunks", limit: ChunkTable.limit))
    }
    let size = size ?? UInt64(grid.chunkSize)
    guard isFiltered || size == UInt64(grid.chunkSize) else {
      throw LibraryFailure(
        .chunk(
          offset: grid.origin(of: index),
          "wrong size (found \(size) bytes, expected \(grid.chunkSize))"))
    }
    let range: Range<Int>
    do {
      range = try image.range(address, size, what: "it")
    } catch {
      throw LibraryFailure(.chunk(offset: grid.origin(of: index), "\(error.reason)"))
    }
    chunks.append(
      StoredChunk(index: index, offset: range.lowerBound, size: range.count, mask: mask))
  }
}

extension ChunkTable {
  /// Reads an index.
  static func read(
    _ index: StorageLayout.Index, grid: ChunkGrid, isFiltered: Bool, image: FileImage
  ) throws -> ChunkTable {
    var collector = ChunkCollector(image: image, grid: grid, isFiltered: isFiltered)
    switch index {
    case .tree(let address):
      if !image.isUndefined(address), grid.count > 0 {
        var tree = ChunkTree(image: image)
        try tree.read(address, into: &collector)
      }
    case .single(let address, let filtered):
      guard grid.maximumCounts.allSatisfy({ $0 <= 1 }) else {
        throw LibraryFailure(.damaged("the layout has one chunk for a dataset of several"))
      }
      try collector.take(
        at: grid.counts.map { _ in 0 }, address: address, size: filtered?.size,
        mask: filtered?.mask ?? 0)
    case .implicit(let address):
      if !image.isUndefined(address) {
        guard !isFiltered else {
          throw LibraryFailure(.damaged("the layout has an implicit index of filtered chunks"))
        }
        try readImplicit(address, into: &collector)
      }
    case .fixedArray(let address):
      if !image.isUndefined(address) {
        try FixedArray(image: image).read(address, into: &collector)
      }
    case .extensibleArray(let address):
      if !image.isUndefined(address) {
        try ExtensibleArray.read(address, into: &collector)
      }
    case .newTree(let address):
      if !image.isUndefined(address) {
        try NewChunkTree.read(address, into: &collector)
      }
    }
    return try ChunkTable(collector.chunks, grid: grid)
  }

  private static func readImplicit(
    _ address: UInt64, into collector: inout ChunkCollector
  ) throws(LibraryFailure) {
    let grid = collector.grid
    guard grid.count <= limit else { throw LibraryFailure(.tooMany(what: "chunks", limit: limit)) }
    let numbering = ChunkNumbering(grid, movingToFront: nil)
    for index in 0..<grid.count {
      let place = grid.place(of: index).map(UInt64.init)
      let (offset, overflow) = numbering.number(of: place)
        .multipliedReportingOverflow(by: UInt64(grid.chunkSize))
      let (position, overflow2) = offset.addingReportingOverflow(address)
      guard !overflow, !overflow2 else {
        throw LibraryFailure(.damaged("the layout has chunks beyond counting"))
      }
      try collector.take(at: place, address: position)
    }
  }
}

/// The order in which arrays and implicit indexes keep chunks: that of the dataset at its largest,
/// in extensible arrays with the dimension that has no limit first.
struct ChunkNumbering {
  private let order: [Int]
  private let counts: [UInt64]
  private let strides: [UInt64]

  init(_ grid: ChunkGrid, movingToFront dimension: Int?) {
    var order = Array(grid.counts.indices)
    if let dimension { order.insert(order.remove(at: dimension), at: 0) }
    self.order = order
    counts = order.map { grid.maximumCounts[$0] }
    var strides = [UInt64](repeating: 1, count: order.count)
    for position in order.indices.dropLast().reversed() {
      // What overflows is beyond any array.
      let (product, overflow) = strides[position + 1]
        .multipliedReportingOverflow(by: counts[position + 1])
      strides[position] = overflow ? .max : product
    }
    self.strides = strides
  }

  /// The number of the chunk at a place; the largest number where it is beyond counting.
  func number(of place: [UInt64]) -> UInt64 {
    var sum: UInt64 = 0
    for (dimension, stride) in zip(order, strides) {
      let (product, overflow) = place[dimension].multipliedReportingOverflow(by: stride)
      let (next, overflow2) = sum.addingReportingOverflow(product)
      if overflow || overflow2 { return .max }
      sum = next
    }
    return sum
  }

  /// The place of the chunk of a number.
  func place(of number: UInt64) -> [UInt64] {
    var rest = number
    var place = [UInt64](repeating: 0, count: order.count)
    for (dimension, stride) in zip(order, strides) {
      guard stride > 0 else { return place.map { _ in .max } }
      place[dimension] = rest / stride
      rest %= stride
    }
    return place
  }
}
