internal import Adapters
internal import Tensors

/// Pieces of a plan that are written together, for an output whose originals are saved group by group
/// (In place §3).
package struct FoldGroup: Sendable {
  /// A span of a tensor that the group writes.
  package struct Span: Sendable, Equatable {
    /// The tensor's position in the base.
    package let tensor: Int
    /// The first byte in the tensor.
    package let offset: Int
    /// Number of bytes.
    package let count: Int
  }

  /// What the group writes; spans do not overlap.
  package let spans: [Span]
  let pieces: [FoldPiece]
}

extension FoldPlan {
  /// Everything that changes, in groups of at most so many bytes, or of one piece; the same for every
  /// run of the plan.
  package func groups(ofAtMost maximum: Int) -> [FoldGroup] {
    var groups: [FoldGroup] = []
    var (pieces, spans, size): ([FoldPiece], [FoldGroup.Span], Int) = ([], [], 0)
    for piece in self.pieces(of: Array(base.tensors.indices)) where piece.part != nil {
      let own = self.spans(of: piece)
      let bytes = own.reduce(0) { $0 + $1.count }
      if size + bytes > maximum, !pieces.isEmpty {
        groups.append(FoldGroup(spans: spans, pieces: pieces))
        (pieces, spans, size) = ([], [], 0)
      }
      pieces.append(piece)
      spans += own
      size += bytes
    }
    if !pieces.isEmpty { groups.append(FoldGroup(spans: spans, pieces: pieces)) }
    return groups
  }

  private func spans(of piece: FoldPiece) -> [FoldGroup.Span] {
    func span(_ tensor: Int, _ rows: Range<Int>, _ columns: Int) -> FoldGroup.Span {
      let width = columns * base.tensors[tensor].dtype.elementByteCount
      return FoldGroup.Span(
        tensor: tensor, offset: rows.lowerBound * width, count: rows.count * width)
    }
    switch piece.work {
    case .fold(let index, let rows, _):
      let part = parts[index]
      let own = (part.firstRow + rows.lowerBound)..<(part.firstRow + rows.upperBound)
      return [span(part.tensor, own, part.columns)]
    case .requantise(let index, let rows):
      let part = parts[index]
      guard let scale = scales.scale(of: part.tensor) else { return [] }
      return [
        span(part.tensor, rows, part.columns),
        span(scale, BlockScales.rows(for: rows), base.tensors[scale].shape[1]),
      ]
    case .copy, .convert, .dequantise: return []
    }
  }

  /// Whether every piece reads nothing of a weight but what it writes: not so where the norms of
  /// whole columns go into it.
  package var readsOnlyWhatItWrites: Bool {
    parts.allSatisfy { part in
      part.contributions.allSatisfy { contribution in
        guard case .rescale(_, magnitude: _, per: let axis) = contribution.update.action else {
          return true
        }
        return axis == .row
      }
    }
  }
}
