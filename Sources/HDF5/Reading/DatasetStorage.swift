internal import ByteIO

/// Where the data of a dataset lie, checked against the file.
enum DatasetStorage: Sendable {
  /// In one piece.
  case piece(at: Int)
  /// Nowhere; all elements are the fill value.
  case nothing
  /// In chunks.
  case chunks(ChunkGrid, ChunkTable, bareEdges: Bool)

  /// How many of a dataset's bytes were never written; chunks count whole.
  func unwrittenBytes(of byteCount: Int) -> Int {
    switch self {
    case .piece: 0
    case .nothing: byteCount
    case .chunks(let grid, let table, _): max(0, byteCount - table.count * grid.chunkSize)
    }
  }

  /// Finds the data of a dataset with `byteCount` bytes of elements.
  static func find(
    _ dataset: ListedDataset, shape: [Int], at address: UInt64, elementSize: Int, byteCount: Int,
    in image: FileImage
  ) throws -> DatasetStorage {
    let (layout, bareEdges) = try StorageLayout.read(
      of: dataset, at: address, elementSize: elementSize, in: image)
    switch layout {
    case .compact(let range), .contiguous(.some(let range)):
      guard range.count >= byteCount else {
        throw LibraryFailure(
          .damaged(
            "fewer data than the shape says (found \(range.count) bytes, expected \(byteCount))"))
      }
      return .piece(at: range.lowerBound)
    case .contiguous(.none): return .nothing
    case .chunked(let dimensions, let index):
      guard dataset.isChunked else {
        throw LibraryFailure(.damaged("a layout that changes while it is read"))
      }
      let grid = ChunkGrid(
        shape: shape, maximumShape: dataset.maximumShape, chunk: dimensions,
        elementSize: elementSize)
      let table = try ChunkTable.read(
        index, grid: grid, isFiltered: !dataset.filters.isEmpty, image: image)
      return .chunks(grid, table, bareEdges: bareEdges)
    }
  }
}
