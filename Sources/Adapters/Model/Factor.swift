internal import ByteIO
public import Tensors

/// One factor of a block, A or B, still in its source: one tensor, or several that are joined
/// because pairs are stacked on one linear (Merging §2.7).
public struct Factor: Sendable {
  /// How several tensors become one matrix.
  public enum Join: Sendable {
    /// One below the other, as for A.
    case rows
    /// Side by side, as for B.
    case columns
  }

  /// The most bytes a factor may take in float64: more than any model needs, and less than what a
  /// sparse file of a few kilobytes can declare.
  public static let maximumBytes = 2 << 30

  /// The tensors, in the order of their pairs.
  public let pieces: [TensorReference]
  /// Number of rows of the joined matrix.
  public let rows: Int
  /// Number of columns of the joined matrix.
  public let columns: Int
  /// The widest dtype among the tensors.
  public let dtype: DType

  private let join: Join

  /// Joins two-dimensional tensors of arithmetic dtypes, at least one of them.
  ///
  /// - Throws: `AdapterError` for a tensor that is none, is too large, or whose other extent differs.
  public init(_ pieces: [TensorReference], join: Join) throws(AdapterError) {
    precondition(!pieces.isEmpty)
    let first = pieces[0].info
    var elements = 0
    for piece in pieces {
      let info = piece.info
      guard info.dtype.isArithmetic else {
        throw .unusableDType(source: piece.source.label, tensor: info.name, found: info.dtype)
      }
      guard info.shape.count == 2, info.elementCount > 0 else {
        throw .notAMatrix(source: piece.source.label, tensor: info.name, found: info.shape)
      }
      elements += min(info.elementCount, Factor.maximumBytes)
      guard elements <= Factor.maximumBytes / 8 else {
        throw .factorTooLarge(
          source: piece.source.label, tensor: info.name, found: info.elementCount)
      }
      let (found, expected) =
        join == .rows ? (info.shape[1], first.shape[1]) : (info.shape[0], first.shape[0])
      guard found == expected else {
        throw .stackMismatch(
          source: piece.source.label, tensor: info.name, found: found, expected: expected)
      }
    }
    self.pieces = pieces
    self.join = join
    rows = join == .rows ? pieces.reduce(0) { $0 + $1.info.shape[0] } : first.shape[0]
    columns = join == .columns ? pieces.reduce(0) { $0 + $1.info.shape[1] } : first.shape[1]
    dtype = pieces.map(\.info.dtype).max { $0.bitWidth < $1.bitWidth } ?? first.dtype
  }

  /// The rank of each pair.
  public var ranks: [Int] { pieces.map { $0.info.shape[join == .rows ? 0 : 1] } }

  /// Size of the stored elements in bytes.
  public var byteCount: Int { pieces.reduce(0) { $0 + $1.info.byteCount } }

  /// Reads the matrix.
  ///
  /// - Throws: errors of the source; `AdapterError.nonFinite` for a NaN or an infinity unless
  ///   `allowingNonFinite`; `AdapterError.noRoom` where the process may not use so much memory.
  public func load(allowingNonFinite: Bool = false) throws -> Matrix {
    let matrices = try pieces.map { piece in
      let info = piece.info
      let needed = info.elementCount * 8 + info.byteCount
      guard Parallel.hasRoom(forBytes: needed) else {
        throw AdapterError.noRoom(source: piece.source.label, tensor: info.name, needed: needed)
      }
      let values = try piece.source.float64(of: piece.index)
      if !allowingNonFinite, let value = values.first(where: { !$0.isFinite }) {
        throw AdapterError.nonFinite(source: piece.source.label, tensor: info.name, found: value)
      }
      return Matrix(rows: info.shape[0], columns: info.shape[1], values: values)
    }
    if matrices.count == 1 { return matrices[0] }
    return join == .rows ? .stackedRows(matrices) : .stackedColumns(matrices)
  }
}
