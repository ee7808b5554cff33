internal import Adapters
internal import CKernels
internal import Tensors

/// A block's factors as a fold kernel takes them: the scale in B, A packed in panels
/// (Folding §3.1).
enum FoldOperands: Sendable {
  /// For weights that accumulate in float32.
  case single(b: [Float], a: [Float], rank: Int)
  /// For weights that accumulate in float64.
  case double(b: [Double], a: [Double], rank: Int)

  /// Prepares factors whose scaling is already in B.
  init(_ factors: PlainFactors, accumulatingInSingle: Bool) {
    let (a, b) = (factors.a, factors.b)
    let panel = Int(RL_PANEL)
    let count = (a.columns + panel - 1) / panel * panel * a.rows
    if accumulatingInSingle {
      self = unsafe .single(
        b: [Float](unsafeUninitializedCapacity: b.values.count) { buffer, initialized in
          if let start = buffer.baseAddress {
            unsafe rl_f64_to_f32(b.values, start, b.values.count)
          }
          initialized = b.values.count
        },
        a: unsafe [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
          if let start = buffer.baseAddress {
            unsafe rl_pack_f32(a.values, start, a.rows, a.columns)
          }
          initialized = count
        }, rank: a.rows)
    } else {
      self = unsafe .double(
        b: b.values,
        a: [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
          if let start = buffer.baseAddress {
            unsafe rl_pack_f64(a.values, start, a.rows, a.columns)
          }
          initialized = count
        }, rank: a.rows)
    }
  }
}
