/// How a dataset is cut into chunks.
struct ChunkGrid: Sendable {
  /// Extents of the dataset.
  let shape: [Int]
  /// Extents of a chunk.
  let chunk: [Int]
  /// Chunks along each dimension.
  let counts: [Int]
  /// Chunks along each dimension of the dataset at its largest; the largest number where there is
  /// no limit.
  let maximumCounts: [UInt64]
  /// Bytes of an element.
  let elementSize: Int
  /// Bytes of a chunk, those over the edge included.
  let chunkSize: Int
  /// The number of chunks.
  let count: Int

  init(shape: [Int], maximumShape: [UInt64], chunk: [Int], elementSize: Int) {
    self.shape = shape
    self.chunk = chunk
    self.elementSize = elementSize
    counts = zip(shape, chunk).map { $0 / $1 + ($0 % $1 == 0 ? 0 : 1) }
    maximumCounts = zip(maximumShape, chunk).map { maximum, extent in
      maximum == .max ? .max : maximum / UInt64(extent) + (maximum % UInt64(extent) == 0 ? 0 : 1)
    }
    chunkSize = chunk.reduce(elementSize, *)
    count = counts.reduce(1, *)
  }

  /// The number of the chunk at a place of the grid, in row-major order; nil outside the grid.
  func index(of place: [UInt64]) -> Int? {
    var index = 0
    for (position, count) in zip(place, counts) {
      guard position < UInt64(count) else { return nil }
      index = index * count + Int(position)
    }
    return index
  }

  /// The place of a chunk.
  func place(of index: Int) -> [Int] {
    var rest = index
    var place = counts
    for dimension in counts.indices.reversed() {
      place[dimension] = rest % counts[dimension]
      rest /= counts[dimension]
    }
    return place
  }

  /// The first element of a chunk.
  func origin(of index: Int) -> [Int] { zip(place(of: index), chunk).map { $0 * $1 } }

  /// Whether a chunk reaches over an edge of the dataset.
  func isPartial(_ index: Int) -> Bool {
    zip(zip(origin(of: index), chunk), shape).contains { $0.0.0 + $0.0.1 > $0.1 }
  }
}
