internal import Activations
internal import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Replaying
internal import Tensors

/// What the blocks of one matrix of inputs are to be fitted to (Replay §4.2): for every token the
/// part of the shortcut term that the prior leaves, `y = t − R_0 x`, in the coordinates of the
/// singular vectors of `s B`, in which the squares of y's parts, weighted by σ², are those of what it
/// does to the output.
struct CalibrationTargets: Sendable {
  let matrix: Int
  let blocks: [Int]
  /// The prior of each block, [r, features].
  let priors: [Matrix]
  /// The rows of y that belong to each block.
  let rows: [Range<Int>]
  /// σ² of each row of y.
  let weights: [Double]

  private let forward: ShortcutForward
  private let projections: Projections
  /// The right singular vectors of each block's `s B`, [k, r].
  private let rotations: [Matrix]
  /// The requests of `R_0 x`.
  private let priorRequests: [Int]
  private let allowsNonFinite: Bool
  private let threads: Int
  private let checkpoint: @Sendable () throws -> Void

  /// The number of rows of y.
  var rowCount: Int { weights.count }
  /// The number of features.
  var features: Int { projections.inputs.features(of: matrix) }
  /// The number of tokens.
  var tokens: Int { projections.inputs.tokens }

  init(
    _ adapter: Adapter, matrix: Int, blocks: [Int], priors: [Matrix], _ captured: CapturedInputs,
    _ inputs: MergeInputs
  ) throws {
    self.matrix = matrix
    self.blocks = blocks
    self.priors = priors
    allowsNonFinite = inputs.allowsNonFinite
    threads = inputs.threads
    checkpoint = { try inputs.progress(0, 0) }
    forward = try ShortcutForward(
      adapter, blocks: blocks, captured, allowsNonFinite: inputs.allowsNonFinite)
    var requests = forward.requests
    priorRequests = priors.map {
      requests.append(Projections.Request(matrix: matrix, factor: $0))
      return requests.count - 1
    }
    projections = try Projections(captured, requests)
    var rotations: [Matrix] = []
    var rows: [Range<Int>] = []
    var weights: [Double] = []
    for block in blocks {
      let left = try forward.left(of: block, allowsNonFinite: inputs.allowsNonFinite)
      let (_, sigma, vt) = try Factorisation.svd(Factorisation.qr(left).r)
      rows.append(weights.count..<(weights.count + sigma.count))
      weights += sigma.map { $0 * $0 }
      rotations.append(vt)
    }
    self.rotations = rotations
    self.rows = rows
    self.weights = weights
  }

  /// A tile of tokens.
  struct Tile {
    /// [tokens, features]
    let x: MatrixView<Double>
    /// [tokens, rowCount]
    let y: Matrix
    /// `‖Δ_res‖²` over the tile, of each block.
    let references: [Double]
  }

  /// Calls `body` for every tile of some tokens, in order.
  ///
  /// - Throws: errors of reading, `CaptureError.nonFinite`, what `body` throws.
  func forEachTile(of tokens: Range<Int>, _ body: (Tile) throws -> Void) throws {
    let features = features
    // 32 MiB of inputs in float64.
    let tileRows = min(2048, max(64, (32 << 20) / (8 * features) / 64 * 64))
    let buffer = AlignedBuffer(byteCount: 8 * tileRows * features)
    let x: UnsafeMutablePointer<Double> = buffer.elements()
    let part = projections.taking(tokens)
    try part.run(
      tileRows: tileRows, threads: threads, allowsNonFinite: allowsNonFinite,
      progress: { _ in try checkpoint() }
    ) { tile in
      try part.inputs.float64(
        of: matrix, rows: tile.rows, into: SharedTarget(x), threads: threads,
        allowsNonFinite: allowsNonFinite)
      let (y, references) = try targets(tile)
      try body(
        Tile(x: MatrixView(UnsafePointer(x), stride: features), y: y, references: references))
    }
  }

  private func targets(_ tile: Projections.Tile) throws -> (y: Matrix, references: [Double]) {
    var parts: [Matrix] = []
    var references: [Double] = []
    for (position, block) in blocks.enumerated() {
      var rest = forward.shortcut(of: block, in: tile)
      let prior = tile.matrix(of: priorRequests[position])
      for i in rest.values.indices { rest.values[i] -= prior.values[i] }
      parts.append(try rest.timesTransposed(rotations[position]))
      let whole = try forward.state(of: block, in: tile).timesTransposed(rotations[position])
      references.append(squares(whole, weights[rows[position]]))
    }
    return (.stackedColumns(parts), references)
  }

  /// The correction R of a block from its fitted rows [k, features].
  func correction(_ position: Int, _ fitted: Matrix) throws -> Matrix {
    try rotations[position].transposed.timesTransposed(fitted.transposed)
  }

  /// `Σ σ_i² y_i²`
  private func squares(_ matrix: Matrix, _ weights: ArraySlice<Double>) -> Double {
    var sum = 0.0
    for row in 0..<matrix.rows {
      for (column, weight) in weights.enumerated() {
        let value = matrix[row, column]
        sum += weight * value * value
      }
    }
    return sum
  }
}
