internal import CKernels
internal import Tensors

/// Weights in F8_E4M3 with a scale for every block of 128 x 128 elements (Folding §4.3): the weight
/// `NAME` has the stored elements times the scale in `NAME_scale_inv`.
struct BlockScales: Sendable {
  /// Rows and columns of a block.
  static let extent = 128
  /// The largest F8_E4M3 value.
  static let largest = 448.0
  static let suffix = "_scale_inv"

  /// The position of each weight's scales in the base.
  private let scales: [Int: Int]
  /// The position of the weight whose scales a tensor holds.
  private let weights: [Int: Int]

  /// Finds weights and scales that fit each other.
  init(in base: any TensorSource) {
    var scales: [Int: Int] = [:]
    var weights: [Int: Int] = [:]
    for (index, info) in base.tensors.enumerated()
    where info.dtype == .f8E4M3 && info.shape.count == 2 {
      guard let scale = base.index(of: TensorName(info.name.string + BlockScales.suffix)),
        base.tensors[scale].dtype.isArithmetic,
        base.tensors[scale].shape == BlockScales.shape(for: info.shape)
      else { continue }
      scales[index] = scale
      weights[scale] = index
    }
    self.scales = scales
    self.weights = weights
  }

  /// The shape of the scales of a weight.
  static func shape(for weight: [Int]) -> [Int] { weight.map { ($0 + extent - 1) / extent } }

  /// The position of a weight's scales; nil for a tensor that has none.
  func scale(of weight: Int) -> Int? { scales[weight] }

  /// The position of the weight that a tensor scales; nil for others.
  func weight(of scale: Int) -> Int? { weights[scale] }

  /// The rows of each piece of a weight: whole blocks.
  static func tiles(of info: TensorInfo) -> [Range<Int>] {
    let height = max(extent, RowTiles.byteCount / max(1, info.shape[1]) / extent * extent)
    return stride(from: 0, to: info.shape[0], by: height).map {
      $0..<min(info.shape[0], $0 + height)
    }
  }

  /// Some rows of the scales' matrix that belong to some rows of the weight.
  static func rows(for rows: Range<Int>) -> Range<Int> {
    (rows.lowerBound / extent)..<((rows.upperBound + extent - 1) / extent)
  }

  /// Multiplies elements, whole rows from the begin of a block, by their blocks' scales.
  static func apply(
    _ scales: [Double], to values: inout [Double], columns: Int
  ) {
    let width = (columns + extent - 1) / extent
    for row in 0..<(values.count / max(1, columns)) {
      for column in 0..<columns {
        values[row * columns + column] *= scales[row / extent * width + column / extent]
      }
    }
  }

  /// The distance of F8_E4M3 values around a finite one.
  static func spacing(at value: Double) -> Double {
    let exponent = value == 0 ? -6 : max(-6, Int(value.exponent))
    return Double(sign: .plus, exponent: exponent - 3, significand: 1)
  }

  /// The scales that bring the largest element of every block to the largest F8_E4M3 value, each as
  /// it is stored; 1 for a block of zeros.
  static func scales(for values: [Double], columns: Int, stored dtype: DType) -> [Double] {
    let rows = values.count / max(1, columns)
    let shape = shape(for: [rows, columns])
    var largest = [Double](repeating: 0, count: shape[0] * shape[1])
    for row in 0..<rows {
      for column in 0..<columns {
        let block = row / extent * shape[1] + column / extent
        let magnitude = abs(values[row * columns + column])
        // One element that is not finite must not take the others of its block along.
        if magnitude.isFinite, magnitude > largest[block] { largest[block] = magnitude }
      }
    }
    let wanted = largest.map { $0 == 0 ? 1 : $0 / BlockScales.largest }
    let stored = unsafe Conversion.bytes(from: wanted, dtype: dtype)
      .withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: dtype) }
    // A scale that the dtype can't hold would make nothing, or infinities, of its block.
    return stored.map { $0 == 0 ? dtype.smallest : $0.isFinite ? $0 : dtype.largestFinite }
  }
}

extension BlockScales {
  /// New values in F8_E4M3 by new scales, to nearest, and what that made of the deltas.
  static func quantised(
    _ values: [Double], before: [Double], _ scales: [Double], columns: Int
  ) -> (bytes: [UInt8], figures: PieceFigures) {
    let width = (columns + extent - 1) / extent
    var figures = PieceFigures()
    var codes = [UInt8](repeating: 0, count: values.count)
    let quotients = values.indices.map { index in
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      return values[index] / scales[row / extent * width + column / extent]
    }
    unsafe rl_f64_to_f8e4m3(quotients, &codes, values.count)
    for index in values.indices {
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      let scale = scales[row / extent * width + column / extent]
      let byte = codes[index]
      let stored = SmallFloat.decode(byte, as: .f8E4M3) * scale
      figures.add(before: before[index], wanted: values[index], stored: stored)
    }
    return (codes, figures)
  }
}

extension PieceFigures {
  /// Takes in one element: the weight before, the exact sum and the stored value.
  fileprivate mutating func add(before: Double, wanted: Double, stored: Double) {
    let delta = wanted - before
    let residual = (stored - before) - delta
    deltaSquared += delta * delta
    residualSquared += residual * residual
    if delta != 0, stored == before { unchanged += 1 }
    if before.isFinite, wanted.isFinite, !stored.isFinite { overflowed += 1 }
  }
}

extension DType {
  /// The smallest positive value of an arithmetic type.
  fileprivate var smallest: Double { spacing(at: 0) }

  /// The largest finite value of an arithmetic type.
  fileprivate var largestFinite: Double {
    switch self {
    case .f64: .greatestFiniteMagnitude
    case .f32: Double(Float.greatestFiniteMagnitude)
    case .f16: 65504
    default: 0x1.FEp127
    }
  }
}
