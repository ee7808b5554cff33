/// Which parts of a chunk belong to a range of bytes of its dataset, whose elements follow each other
/// in row-major order.
struct ChunkSlice {
  private let chunk: [Int]
  private let origin: [Int]
  /// Extents of the part of the chunk inside the dataset.
  private let extents: [Int]
  private let strides: [Int]
  private let chunkStrides: [Int]
  /// From this dimension on, chunk and dataset have the same extents, so that one run covers all.
  private let runDimension: Int
  private let runLength: Int

  init(grid: ChunkGrid, index: Int) {
    // The bytes of an element are one more dimension.
    let shape = grid.shape + [grid.elementSize]
    chunk = grid.chunk + [grid.elementSize]
    origin = grid.origin(of: index) + [0]
    extents = zip(zip(shape, chunk), origin).map { min($0.1, $0.0 - $1) }
    strides = ChunkSlice.strides(shape)
    chunkStrides = ChunkSlice.strides(chunk)
    var dimension = shape.count - 1
    while dimension > 0, chunk[dimension] == shape[dimension] { dimension -= 1 }
    runDimension = dimension
    runLength = extents[dimension] * strides[dimension]
  }

  static func strides(_ extents: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: extents.count)
    for dimension in extents.indices.dropLast().reversed() {
      strides[dimension] = strides[dimension + 1] * extents[dimension + 1]
    }
    return strides
  }

  /// From the first byte of the dataset that is in the chunk to the last.
  var bounds: Range<Int> {
    let first = zip(origin, strides).reduce(0) { $0 + $1.0 * $1.1 }
    let last = zip(extents, strides).reduce(first) { $0 + ($1.0 - 1) * $1.1 }
    return first..<(last + 1)
  }

  /// Whether the chunk as stored is one run of bytes of the dataset.
  var isOneRun: Bool {
    runDimension == 0 || origin.indices[..<runDimension].allSatisfy { extents[$0] == 1 }
  }

  /// Whether chunk and dataset lay out the chunk's elements alike, and none lies over an edge.
  var isContiguous: Bool { isOneRun && extents == chunk }

  /// Calls `body` with the positions of every run that the chunk and `wanted` share:
  /// in the chunk, in the dataset, and its length.
  func forEachRun(in wanted: Range<Int>, _ body: (Int, Int, Int) -> Void) {
    var place = [Int](repeating: 0, count: runDimension)
    while true {
      var (inChunk, inDataset) = (0, origin[runDimension] * strides[runDimension])
      for dimension in 0..<runDimension {
        inChunk += place[dimension] * chunkStrides[dimension]
        inDataset += (origin[dimension] + place[dimension]) * strides[dimension]
      }
      let first = max(inDataset, wanted.lowerBound)
      let end = min(inDataset + runLength, wanted.upperBound)
      if first < end { body(inChunk + first - inDataset, first, end - first) }
      if inDataset >= wanted.upperBound { return }
      var dimension = runDimension - 1
      while dimension >= 0 {
        place[dimension] += 1
        if place[dimension] < extents[dimension] { break }
        place[dimension] = 0
        dimension -= 1
      }
      if dimension < 0 { return }
    }
  }
}
