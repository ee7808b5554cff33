internal import Adapters
internal import CKernels
internal import Tensors

/// A block's factors as a fold kernel takes them: the scale in B, A padded to whole panels
/// (Merging §6.1).
enum FoldOperands: Sendable {
  /// For weights that accumulate in float32.
  case single(b: [Float], a: [Float], rank: Int, stride: Int)
  /// For weights that accumulate in float64.
  case double(b: [Double], a: [Double], rank: Int, stride: Int)

  init(_ factors: PlainFactors, scaling: Double, accumulatingInSingle: Bool) {
    let rank = factors.a.rows
    let panel = Int(RL_PANEL)
    let stride = (factors.a.columns + panel - 1) / panel * panel
    if accumulatingInSingle {
      self = .single(
        b: factors.b.values.map { Float(scaling * $0) },
        a: FoldOperands.padded(factors.a, stride) { Float($0) }, rank: rank, stride: stride)
    } else {
      self = .double(
        b: factors.b.values.map { scaling * $0 },
        a: FoldOperands.padded(factors.a, stride) { $0 }, rank: rank, stride: stride)
    }
  }

  private static func padded<Element: Numeric>(
    _ a: Matrix, _ stride: Int, _ convert: (Double) -> Element
  ) -> [Element] {
    [Element](unsafeUninitializedCapacity: a.rows * stride) { buffer, count in
      for row in 0..<a.rows {
        for column in 0..<stride {
          buffer.initializeElement(
            at: row * stride + column,
            to: column < a.columns ? convert(a.values[row * a.columns + column]) : 0)
        }
      }
      count = a.rows * stride
    }
  }
}
