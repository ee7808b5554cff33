/// Finds the chunks that a range of bytes of a dataset touches.
struct ChunkSearch {
  private let grid: ChunkGrid
  private let strides: [Int]
  private var found: [Int] = []
  private var isSplit = false

  /// Finds all of them, in order of their number.
  ///
  /// Complexity: the bytes of the range in the worst case, usually the chunks found.
  static func chunks(of grid: ChunkGrid, in range: Range<Int>) -> [Int] {
    let elements =
      range.lowerBound / grid.elementSize..<(range.upperBound - 1) / grid.elementSize + 1
    var search = ChunkSearch(grid: grid)
    search.visit(elements)
    // Both halves of a split may touch the same chunk.
    return search.isSplit ? Set(search.found).sorted() : search.found
  }

  private init(grid: ChunkGrid) {
    self.grid = grid
    strides = ChunkSlice.strides(grid.shape)
  }

  private func place(of element: Int) -> [Int] {
    var rest = element
    return strides.map { stride in
      defer { rest %= stride }
      return rest / stride
    }
  }

  private mutating func visit(_ elements: Range<Int>) {
    let first = place(of: elements.lowerBound)
    let last = place(of: elements.upperBound - 1)
    guard let dimension = first.indices.first(where: { first[$0] != last[$0] }) else {
      return take(zip(first, grid.chunk).map { ($0 / $1)..<($0 / $1 + 1) })
    }
    // Less than a row that begins in one and ends in the next: two searches of a part of a row
    // instead of one through all columns.
    if elements.count < strides[dimension] {
      isSplit = true
      var boundary = Array(last[...dimension])
      boundary += last[(dimension + 1)...].map { _ in 0 }
      let middle = zip(boundary, strides).reduce(0) { $0 + $1.0 * $1.1 }
      visit(elements.lowerBound..<middle)
      visit(middle..<elements.upperBound)
      return
    }
    take(
      grid.counts.indices.map { position in
        if position > dimension { return 0..<grid.counts[position] }
        let chunk = grid.chunk[position]
        return first[position] / chunk..<last[position] / chunk + 1
      })
  }

  /// Takes all chunks of a box of the grid.
  private mutating func take(_ box: [Range<Int>]) {
    var place = box.map(\.lowerBound)
    while true {
      let index = zip(place, grid.counts).reduce(0) { $0 * $1.1 + $1.0 }
      found.append(index)
      var dimension = box.count - 1
      while dimension >= 0 {
        place[dimension] += 1
        if place[dimension] < box[dimension].upperBound { break }
        place[dimension] = box[dimension].lowerBound
        dimension -= 1
      }
      if dimension < 0 { return }
    }
  }
}
