/// How engines cut a matrix into pieces of whole rows, so that sums over pieces that one engine makes
/// have the same bits as those of another: tiles, and within a tile strips.
package enum RowTiles {
  /// The most bytes of stored elements in a tile, unless a single row has more.
  package static let byteCount = 1 << 20
  /// The most bytes that are read, computed, written and read back in one go, unless a single row has
  /// more: with what the system keeps of them they fit the second-level cache.
  package static let stripBytes = 256 << 10

  /// The rows of each tile; depends on the extent and size of rows only.
  package static func ranges(rows: Int, rowBytes: Int) -> [Range<Int>] {
    (0..<rows).pieces(of: max(1, byteCount / max(1, rowBytes)))
  }

  /// The strips of a tile; all but the last have a multiple of four rows where more than one fit, as
  /// kernels like it.
  package static func strips(of tile: Range<Int>, rowBytes: Int) -> [Range<Int>] {
    let fitting = max(1, stripBytes / max(1, rowBytes))
    return tile.pieces(of: fitting < 4 ? fitting : fitting / 4 * 4)
  }

  /// The strips of all tiles, by which weights are measured.
  package static func strips(rows: Int, rowBytes: Int) -> [Range<Int>] {
    ranges(rows: rows, rowBytes: rowBytes).flatMap { strips(of: $0, rowBytes: rowBytes) }
  }
}

extension Range where Bound == Int {
  /// Consecutive ranges of `size`, the last one of what is left.
  package func pieces(of size: Int) -> [Range<Int>] {
    stride(from: lowerBound, to: upperBound, by: size).map {
      $0..<Swift.min(upperBound, $0 + size)
    }
  }
}
