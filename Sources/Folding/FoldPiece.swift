internal import Tensors

/// A piece of a fold that one thread does alone. Pieces depend on the tensors' shapes only.
struct FoldPiece: Sendable, Equatable {
  enum Work: Sendable, Equatable {
    /// Rows of a part that changes, numbered in the part, and the number of the piece among them.
    case fold(part: Int, rows: Range<Int>, tile: Int)
    /// Bytes of a tensor that stays as it is.
    case copy(bytes: Range<Int>)
    /// Elements of a tensor whose dtype changes.
    case convert(elements: Range<Int>)
    /// Rows of a weight with block scales that are multiplied in.
    case dequantise(rows: Range<Int>)
    /// Rows of a weight with block scales that changes and gets new ones; the weight, its scales or
    /// both lie in the output that is being written.
    case requantise(part: Int, rows: Range<Int>)
  }

  /// The position of the tensor in the base.
  let tensor: Int
  let work: Work

  /// The part that changes; nil for pieces that are copied or converted.
  var part: Int? {
    switch work {
    case .fold(let part, _, _), .requantise(let part, _): part
    case .copy, .convert, .dequantise: nil
    }
  }

  /// Bytes of the source that the piece covers.
  func byteCount(_ plan: FoldPlan) -> Int {
    let info = plan.base.tensors[tensor]
    func bytes(_ rows: Range<Int>, _ columns: Int) -> Int {
      rows.count * columns * info.dtype.elementByteCount
    }
    return switch work {
    case .fold(let part, let rows, _): bytes(rows, plan.parts[part].columns)
    case .requantise(let part, let rows): bytes(rows, plan.parts[part].columns)
    case .dequantise(let rows): bytes(rows, info.shape[1])
    case .copy(let bytes): bytes.count
    case .convert(let elements): elements.count * info.dtype.elementByteCount
    }
  }
}

extension FoldPlan {
  /// The most bytes that one piece copies.
  static let copyBytes = 4 << 20

  /// The pieces of some of the base's tensors: in the order of the tensors, or where updates are
  /// ordered, first what they change and in their order.
  func pieces(of tensors: [Int]) -> [FoldPiece] {
    var pieces: [FoldPiece] = []
    var folded: Set<Int> = []
    let wanted = Set(tensors)
    if isOrdered {
      let order = parts.indices.sorted { (generation($0), $0) < (generation($1), $1) }
      for part in order.map({ parts[$0] })
      where wanted.contains(part.tensor) && folded.insert(part.tensor).inserted {
        pieces += self.pieces(of: part.tensor)
      }
    }
    for tensor in tensors where !folded.contains(tensor) {
      if let weight = scales.weight(of: tensor), output[tensor] != nil, !wanted.contains(weight) {
        pieces += self.pieces(of: weight).filter { $0.part != nil }
      }
      pieces += self.pieces(of: tensor)
    }
    return pieces
  }

  /// The pieces that one of the base's tensors is written in.
  func pieces(of tensor: Int) -> [FoldPiece] {
    guard let output = output[tensor] else { return [] }
    let info = base.tensors[tensor]
    func piece(_ work: FoldPiece.Work) -> FoldPiece { FoldPiece(tensor: tensor, work: work) }
    let parts = partsOfTensor[tensor] ?? []
    if scales.scale(of: tensor) != nil, !parts.isEmpty || info.dtype != output.dtype {
      return BlockScales.tiles(of: info).map { rows in
        guard let part = parts.first else { return piece(.dequantise(rows: rows)) }
        return info.dtype == output.dtype
          ? piece(.requantise(part: part, rows: rows))
          : piece(.fold(part: part, rows: rows, tile: 0))
      }
    }
    // Written along with the weight.
    if let weight = scales.weight(of: tensor), partsOfTensor[weight] != nil { return [] }
    var pieces: [FoldPiece] = []
    var done = 0
    func leaveAlone(upTo end: Int) {
      let elements = done..<end
      let width = info.dtype.bitWidth
      pieces +=
        info.dtype == output.dtype
        ? FoldPlan.cut(elements.lowerBound * width / 8..<(end * width + 7) / 8, FoldPlan.copyBytes)
          .map { piece(.copy(bytes: $0)) }
        : FoldPlan.cut(elements, RowTiles.byteCount / 8).map { piece(.convert(elements: $0)) }
    }
    for index in parts.sorted(by: { self.parts[$0].firstRow < self.parts[$1].firstRow }) {
      let part = self.parts[index]
      leaveAlone(upTo: part.firstRow * part.columns)
      done = (part.firstRow + part.rows) * part.columns
      let rowBytes = part.columns * info.dtype.elementByteCount
      pieces += RowTiles.ranges(rows: part.rows, rowBytes: rowBytes).enumerated().map {
        piece(.fold(part: index, rows: $1, tile: $0))
      }
    }
    leaveAlone(upTo: info.elementCount)
    return pieces
  }

  private static func cut(_ range: Range<Int>, _ size: Int) -> [Range<Int>] {
    stride(from: range.lowerBound, to: range.upperBound, by: size).map {
      $0..<min(range.upperBound, $0 + size)
    }
  }
}
