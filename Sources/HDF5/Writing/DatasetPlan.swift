internal import Tensors

/// How a dataset is stored: chunks of whole rows of about 1 MiB with shuffle and deflate, small
/// ones contiguous (Adapter in HDF5 §1.5).
struct DatasetPlan {
  static let deflateLevel = 4
  private static let chunkTarget = 1 << 20
  private static let contiguousBelow = 4096
  /// A row that is larger would make a chunk too large to decode in one go.
  private static let rowLimit = 16 << 20

  let info: TensorInfo
  /// The extents of a chunk; nil where the dataset is contiguous.
  let chunk: [Int]?
  /// Bytes of a chunk, or of the pieces in which a contiguous dataset is written.
  let pieceSize: Int
  /// Rows of a chunk.
  let rows: Int

  init(_ info: TensorInfo) {
    self.info = info
    let rowSize = info.shape.first.map { $0 == 0 ? 0 : info.byteCount / $0 } ?? info.byteCount
    guard !info.shape.isEmpty, info.byteCount >= DatasetPlan.contiguousBelow,
      rowSize <= DatasetPlan.rowLimit
    else {
      chunk = nil
      rows = 0
      pieceSize = DatasetPlan.chunkTarget
      return
    }
    rows = min(info.shape[0], max(1, DatasetPlan.chunkTarget / rowSize))
    chunk = [rows] + info.shape.dropFirst()
    pieceSize = rows * rowSize
  }

  /// The number of pieces.
  var pieces: Int { (info.byteCount + pieceSize - 1) / pieceSize }

  /// Bytes of a piece, which the last may have fewer of.
  func size(of piece: Int) -> Int { min(pieceSize, info.byteCount - piece * pieceSize) }
}
