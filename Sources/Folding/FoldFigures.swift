public import Tensors

/// What became of the deltas of one part in the stored weight (Folding §3.3).
public struct FoldFigures: Sendable {
  /// The part's position in `FoldPlan.changes`.
  public let position: Int
  /// The module that changes it.
  public let block: TensorName
  /// The weight that was changed.
  public let weight: TensorName
  /// `‖Δ‖`
  public let deltaNorm: Double
  /// The share of elements that did not change though their delta is not zero.
  public let unchangedShare: Double
  /// `‖(W' − W) − Δ‖ / ‖Δ‖`
  public let realisedError: Double

  /// The share above which most of the adapter was lost to rounding.
  public static let warningShare = 0.5

  package init(
    position: Int, block: TensorName, weight: TensorName, deltaNorm: Double,
    unchangedShare: Double, realisedError: Double
  ) {
    self.position = position
    self.block = block
    self.weight = weight
    self.deltaNorm = deltaNorm
    self.unchangedShare = unchangedShare
    self.realisedError = realisedError
  }
}

/// How far a fold has come.
public struct FoldProgress: Sendable {
  /// Bytes of the base that are done.
  public let bytesDone: Int
  /// Bytes of the base.
  public let bytesTotal: Int

  /// States how far it has come.
  public init(bytesDone: Int, bytesTotal: Int) {
    self.bytesDone = bytesDone
    self.bytesTotal = bytesTotal
  }
}

/// What a fold did.
public struct FoldReport: Sendable {
  /// The figures of everything that changed, in the order of the plan.
  public let blocks: [FoldFigures]
  /// Tensors that changed.
  public let tensorsChanged: Int
  /// Tensors that were copied or converted.
  public let tensorsCopied: Int
  /// Bytes of tensors written.
  public let bytesWritten: Int

  private let faults: Faults

  /// What must not be published unasked.
  private struct Faults: Sendable {
    var nonFinite: [TensorName] = []
    var overflowed: [(weight: TensorName, elements: Int, dtype: DType)] = []
  }

  package init(
    blocks: [FoldFigures], tensorsChanged: Int, tensorsCopied: Int, bytesWritten: Int
  ) {
    self.blocks = blocks
    self.tensorsChanged = tensorsChanged
    self.tensorsCopied = tensorsCopied
    self.bytesWritten = bytesWritten
    faults = Faults()
  }

  /// Adds the figures of all pieces up, in their order.
  init(_ plan: FoldPlan, _ tensors: [Int], _ pieces: [FoldPiece], _ outcomes: [PieceOutcome]) {
    var sums: [Int: PieceFigures] = [:]
    var norms: [Int: Double] = [:]
    var converted: [Int: Int] = [:]
    for (piece, outcome) in zip(pieces, outcomes) {
      if let part = piece.part {
        sums[part, default: PieceFigures()] += outcome.figures
        norms[part] = outcome.deltaNorm
      } else {
        converted[piece.tensor, default: 0] += outcome.figures.overflowed
      }
    }
    let written = Set(tensors)
    let folded = plan.parts.indices.filter { written.contains(plan.parts[$0].tensor) }
    blocks = folded.map { index in
      let part = plan.parts[index]
      let sum = sums[index] ?? PieceFigures()
      return FoldFigures(
        position: index, block: part.name, weight: plan.base.tensors[part.tensor].name,
        deltaNorm: norms[index] ?? sum.deltaSquared.squareRoot(),
        unchangedShare: Double(sum.unchanged) / Double(max(1, part.rows * part.columns)),
        realisedError: sum.deltaSquared == 0
          ? 0 : (sum.residualSquared / sum.deltaSquared).squareRoot())
    }
    tensorsChanged = tensors.count { plan.partsOfTensor[$0] != nil }
    tensorsCopied = tensors.count - tensorsChanged
    bytesWritten = tensors.reduce(0) { $0 + (plan.output[$1]?.byteCount ?? 0) }

    var faults = Faults()
    for part in folded {
      guard let sum = sums[part], let output = plan.output[plan.parts[part].tensor] else {
        continue
      }
      if sum.sawNonFinite { faults.nonFinite.append(output.name) }
      if sum.overflowed > 0 {
        faults.overflowed.append((output.name, sum.overflowed, output.dtype))
      }
    }
    for (tensor, elements) in converted.sorted(by: { $0.key < $1.key }) where elements > 0 {
      guard let output = plan.output[tensor] else { continue }
      faults.overflowed.append((output.name, elements, output.dtype))
    }
    self.faults = faults
  }

  /// - Throws: `FoldError.nonFinite`, `FoldError.overflow`.
  func refuseNonFinite(_ plan: FoldPlan) throws(FoldError) {
    guard faults.nonFinite.isEmpty else {
      throw .nonFinite(base: plan.base.label, weights: faults.nonFinite)
    }
    if let first = faults.overflowed.first {
      throw .overflow(
        base: plan.base.label, weights: faults.overflowed.map(\.weight),
        elements: faults.overflowed.reduce(0) { $0 + $1.elements }, dtype: first.dtype)
    }
  }

  /// One report of the parts that were folded one by one, in the order of the plan.
  public static func combined(_ reports: [FoldReport]) -> FoldReport {
    FoldReport(
      blocks: reports.flatMap(\.blocks).sorted { $0.position < $1.position },
      tensorsChanged: reports.reduce(0) { $0 + $1.tensorsChanged },
      tensorsCopied: reports.reduce(0) { $0 + $1.tensorsCopied },
      bytesWritten: reports.reduce(0) { $0 + $1.bytesWritten })
  }
}
