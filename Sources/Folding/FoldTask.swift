internal import Tensors

/// A piece of a fold that one thread does alone: some whole rows of a folded weight, or a range of
/// a tensor that is copied or converted. Pieces depend on the tensors' shapes only.
struct FoldTask: Sendable, Equatable {
  enum Work: Sendable, Equatable {
    /// Rows of a weight that gets a block's product.
    case fold(rows: Range<Int>, block: Int)
    /// Bytes of a tensor that stays as it is.
    case copy(bytes: Range<Int>)
    /// Elements of a tensor whose dtype changes.
    case convert(elements: Range<Int>)
  }

  let tensor: Int
  let work: Work

  static func tasks(
    tensor: Int, _ info: TensorInfo, _ output: DType, block: Int?
  ) -> [FoldTask] {
    if let block {
      let rowBytes = max(1, info.shape[1] * info.dtype.elementByteCount)
      return pieces(of: info.shape[0], by: max(1, FoldPlan.tileBytes / rowBytes)).map {
        FoldTask(tensor: tensor, work: .fold(rows: $0, block: block))
      }
    }
    if info.dtype != output {
      return pieces(of: info.elementCount, by: FoldPlan.tileBytes / 8).map {
        FoldTask(tensor: tensor, work: .convert(elements: $0))
      }
    }
    return pieces(of: info.byteCount, by: FoldPlan.copyBytes).map {
      FoldTask(tensor: tensor, work: .copy(bytes: $0))
    }
  }

  private static func pieces(of count: Int, by size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min(count, $0 + size) }
  }

  /// The strips a tile is worked through in; all but the last have a multiple of four rows where
  /// more than one fit, as kernels like it.
  static func strips(of rows: Range<Int>, rowBytes: Int) -> [Range<Int>] {
    let fitting = max(1, FoldPlan.stripBytes / max(1, rowBytes))
    return pieces(of: rows.count, by: fitting < 4 ? fitting : fitting / 4 * 4).map {
      ($0.lowerBound + rows.lowerBound)..<($0.upperBound + rows.lowerBound)
    }
  }

  /// Bytes of the source that the task covers.
  func byteCount(_ info: TensorInfo) -> Int {
    switch work {
    case .fold(let rows, _): rows.count * info.shape[1] * info.dtype.elementByteCount
    case .copy(let bytes): bytes.count
    case .convert(let elements): elements.count * info.dtype.elementByteCount
    }
  }

  /// Working memory the task takes: strips in and out and the sampled row, and for a change of dtype
  /// float64 tiles.
  func workingBytes(_ info: TensorInfo, _ output: DType) -> Int {
    let strip = max(FoldPlan.stripBytes, 8 * (info.shape.last ?? 0))
    return switch work {
    // Strips as stored, and the sampled row or strips in float64.
    case .fold: 2 * strip + (info.dtype == output ? 40 * info.shape[1] : 2 * strip)
    case .copy: 2 * FoldPlan.stripBytes
    case .convert(let elements): elements.count * 24
    }
  }
}
