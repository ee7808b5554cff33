/// How engines cut a matrix into pieces of whole rows, so that sums over pieces that one engine
/// makes have the same bits as those of another.
package enum RowTiles {
  /// The most bytes of stored elements in one piece, unless a single row has more.
  package static let byteCount = 1 << 20

  /// The rows of each piece; depends on the extent and size of rows only.
  package static func ranges(rows: Int, rowBytes: Int) -> [Range<Int>] {
    let height = max(1, byteCount / max(1, rowBytes))
    return stride(from: 0, to: rows, by: height).map { $0..<min(rows, $0 + height) }
  }
}
