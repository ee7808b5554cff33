internal import Tensors

/// Reads rows of a part as they are before the fold, in float64, block scales multiplied in.
struct PartReader {
  private let plan: FoldPlan

  init(_ plan: FoldPlan) { self.plan = plan }

  /// Rows numbered in the part.
  func read(_ part: FoldedPart, _ rows: Range<Int>) throws -> [Double] {
    try read(
      tensor: part.tensor, columns: part.columns,
      (part.firstRow + rows.lowerBound)..<(part.firstRow + rows.upperBound))
  }

  /// Rows numbered in the tensor; with block scales, from the begin of a block.
  func read(tensor: Int, columns: Int, _ rows: Range<Int>) throws -> [Double] {
    var values = try stored(tensor, (rows.lowerBound * columns)..<(rows.upperBound * columns))
    if let scale = plan.scales.scale(of: tensor) {
      let width = plan.base.tensors[scale].shape[1]
      let rows = BlockScales.rows(for: rows)
      BlockScales.apply(
        try stored(scale, (rows.lowerBound * width)..<(rows.upperBound * width)), to: &values,
        columns: columns)
    }
    return values
  }

  private func stored(_ tensor: Int, _ elements: Range<Int>) throws -> [Double] {
    let dtype = plan.base.tensors[tensor].dtype
    let width = dtype.elementByteCount
    return try unsafe plan.base.bytes(
      of: tensor, range: (elements.lowerBound * width)..<(elements.upperBound * width)
    ).withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: dtype) }
  }
}
