public import Tensors

/// What became of one block's product in the stored weight (Merging §6.2).
public struct FoldFigures: Sendable {
  /// The block.
  public let block: TensorName
  /// The weight it was folded into.
  public let weight: TensorName
  /// `‖Δ‖`
  public let deltaNorm: Double
  /// The share of elements that did not change though their delta is not zero.
  public let unchangedShare: Double
  /// `‖(W' − W) − Δ‖ / ‖Δ‖`
  public let realisedError: Double

  /// The share above which most of the adapter was lost to rounding.
  public static let warningShare = 0.5
}

/// What a fold did.
public struct FoldReport: Sendable {
  /// The figures of every folded block.
  public let blocks: [FoldFigures]
  /// Tensors that got a block.
  public let tensorsChanged: Int
  /// Tensors that were copied or converted.
  public let tensorsCopied: Int
  /// Bytes of tensors written.
  public let bytesWritten: Int
}

/// How far a fold has come.
public struct FoldProgress: Sendable {
  /// Bytes of the base that are done.
  public let bytesDone: Int
  /// Bytes of the base.
  public let bytesTotal: Int
}

/// What one task saw, to be added up in the order of tasks.
struct TaskFigures: Sendable {
  var deltaSquared = 0.0
  var residualSquared = 0.0
  var unchanged = 0
  var overflowed = 0

  static func += (left: inout TaskFigures, right: TaskFigures) {
    left.deltaSquared += right.deltaSquared
    left.residualSquared += right.residualSquared
    left.unchanged += right.unchanged
    left.overflowed += right.overflowed
  }

  /// Whether a NaN or an infinity went in: a finite element that overflows is counted apart.
  var sawNonFinite: Bool { !residualSquared.isFinite && overflowed == 0 }
}
