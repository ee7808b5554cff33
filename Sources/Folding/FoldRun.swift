internal import Adapters
internal import ByteIO
internal import Tensors

/// What the threads of a run share.
@safe struct FoldRun: Sendable {
  let plan: FoldPlan
  let sink: any TensorSink
  let verification: Fold.Verification
  let change: Fold.ChangeObserver?
  let isRehearsal: Bool
  let loaded: SharedValues<LoadedPart>
  private let targets: [Int: Int]

  /// - Parameter tensors: the base's tensors that the sink takes, in its order.
  init(
    _ plan: FoldPlan, _ tensors: [Int], _ pieces: [FoldPiece], _ sink: any TensorSink,
    _ settings: Fold
  ) {
    self.plan = plan
    self.sink = sink
    verification = settings.verification
    unsafe change = settings.change
    isRehearsal = settings.isRehearsal
    targets = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1, $0) })
    var uses = [Int](repeating: 0, count: plan.parts.count)
    for case let part? in pieces.map(\.part) { uses[part] += 1 }
    let allowsNonFinite = settings.allowsNonFinite
    loaded = SharedValues(uses: uses) { part in
      try LoadedPart(plan, part, allowsNonFinite: allowsNonFinite)
    }
  }

  /// Whether anybody measures the part's rows before they are folded.
  func isMeasured(_ part: FoldedPart) -> Bool {
    part.contributions.contains { unsafe plan.inputs[$0.input].observe != nil }
  }

  /// Shows whole rows as they are stored to those who measure them.
  func measure(
    _ part: FoldedPart, _ tile: Int, _ strip: Int, _ rows: Range<Int>,
    _ elements: UnsafeRawBufferPointer
  ) throws {
    // All tiles but the last have the same number of strips.
    let rowBytes = elements.count / rows.count
    let first = plan.tiles(of: part).first ?? rows
    let number = tile * RowTiles.strips(of: first, rowBytes: rowBytes).count + strip
    for contribution in part.contributions {
      try unsafe plan.inputs[contribution.input].observe?(
        contribution.position, number, rows, elements)
    }
  }

  /// Where the sink has a tensor of the base; nil where another output has it.
  func target(_ tensor: Int) -> Int? { targets[tensor] }
}

/// What one piece saw, to be added up in the order of pieces.
struct PieceFigures: Sendable {
  var deltaSquared = 0.0
  var residualSquared = 0.0
  var unchanged = 0
  var overflowed = 0

  static func += (left: inout PieceFigures, right: PieceFigures) {
    left.deltaSquared += right.deltaSquared
    left.residualSquared += right.residualSquared
    left.unchanged += right.unchanged
    left.overflowed += right.overflowed
  }

  /// Whether a NaN or an infinity went in: a finite element that overflows is counted apart.
  var sawNonFinite: Bool { !residualSquared.isFinite && overflowed == 0 }
}

/// What a piece hands back.
struct PieceOutcome: Sendable {
  var figures = PieceFigures()
  /// `‖Δ‖` of the part, where its factors tell.
  var deltaNorm: Double?
}
