internal import Activations
internal import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Replaying
internal import Tensors

/// What the blocks of one matrix of inputs are to be fitted to (Replay §4.2): the shortcut term t of
/// every token, in the coordinates of the right singular vectors of `s B`, in which the squares of its
/// parts, weighted by σ², are those of what it does to the output. The rows of all blocks stand below
/// each other.
struct CalibrationTargets: Sendable {
  let matrix: Int
  let blocks: [Int]
  /// The rows that belong to each block.
  let rows: [Range<Int>]
  /// σ² of each row.
  let weights: [Double]

  private let forward: ShortcutForward
  private let projections: Projections
  /// The right singular vectors of each block's `s B`, [k, r].
  private let rotations: [Matrix]
  /// What each block's shortcut is made of: the A, and the matrix of inputs it is multiplied with.
  private let terms: [[(a: Matrix, matrix: Int)]]
  private let allowsNonFinite: Bool
  private let threads: Int
  /// What stops the work by an error.
  let checkpoint: @Sendable () throws -> Void

  /// The number of rows.
  var rowCount: Int { weights.count }
  /// The number of features.
  var features: Int { projections.inputs.features(of: matrix) }
  /// The number of tokens.
  var tokens: Int { projections.inputs.tokens }

  init(
    _ adapter: Adapter, matrix: Int, blocks: [Int], _ captured: CapturedInputs,
    _ inputs: MergeInputs
  ) throws {
    self.matrix = matrix
    self.blocks = blocks
    allowsNonFinite = inputs.allowsNonFinite
    threads = inputs.threads
    checkpoint = { try inputs.progress(0, 0) }
    forward = try ShortcutForward(
      adapter, blocks: blocks, captured, allowsNonFinite: inputs.allowsNonFinite)
    projections = try Projections(captured, forward.requests)
    terms = try blocks.map { block in
      try adapter.topology.predecessors(of: block).map { predecessor in
        let source = adapter.structure == .inputShortcut ? block : predecessor
        return (
          try adapter.blocks[source].a.load(allowingNonFinite: inputs.allowsNonFinite),
          captured.matrixOfBlock[predecessor]
        )
      }
    }
    var rotations: [Matrix] = []
    var rows: [Range<Int>] = []
    var weights: [Double] = []
    for block in blocks {
      let left = try forward.left(of: block, allowsNonFinite: inputs.allowsNonFinite)
      let directions = OutputDirections(of: left)
      rows.append(weights.count..<(weights.count + directions.weights.count))
      weights += directions.weights
      rotations.append(directions.rotation)
    }
    self.rotations = rotations
    self.rows = rows
    self.weights = weights
  }

  // MARK: Tokens

  /// A tile of tokens.
  struct Tile {
    /// [tokens, features]
    let x: MatrixView<Double>
    /// [tokens, rowCount]
    let t: Matrix
    /// Sums over the tile, for which each predecessor's input is read once more.
    let sums: () throws -> TokenSums
  }

  /// Sums over no token.
  var noSums: TokenSums {
    TokenSums(
      rows: rowCount, blocks: blocks.count, features: features,
      others: terms.joined().map(\.matrix))
  }

  /// Calls `body` for every tile of some tokens, in order: reads x twice and each predecessor's input
  /// once. Memory: two tiles of 32 MiB, or of one token where that is more, and one of products.
  ///
  /// - Throws: errors of reading, `CaptureError.nonFinite`, what `body` throws.
  func forEachTile(of tokens: Range<Int>, _ body: (Tile) throws -> Void) throws {
    let features = features
    let tileRows = TokenTiles.rows(bytes: 8 * features, within: 32 << 20, atMost: 2048)
    let buffers = [0, 1].map { _ in AlignedBuffer(byteCount: 8 * tileRows * features) }
    let part = projections.taking(tokens)
    try part.run(
      tileRows: tileRows, threads: threads, allowsNonFinite: allowsNonFinite,
      progress: { _ in try checkpoint() }
    ) { tile in
      func load(_ matrix: Int, _ buffer: AlignedBuffer) throws -> MatrixView<Double> {
        let start: UnsafeMutablePointer<Double> = unsafe buffer.elements()
        try unsafe part.inputs.float64(
          of: matrix, rows: tile.rows, into: SharedTarget(start), threads: threads,
          allowsNonFinite: allowsNonFinite)
        return unsafe MatrixView(UnsafePointer(start), stride: features)
      }
      let x = try load(matrix, buffers[0])
      let t = try targets(tile)
      try body(
        Tile(x: x, t: t) {
          var sums = try self.sums(over: tile, t)
          sums.features = self.products(x, x, tile.rows.count)
          for matrix in sums.slopes.keys.sorted() {
            sums.slopes[matrix] = self.products(try load(matrix, buffers[1]), x, tile.rows.count)
          }
          return sums
        })
    }
  }

  /// t of every token of a tile, [tokens, rowCount].
  private func targets(_ tile: Projections.Tile) throws -> Matrix {
    .stackedColumns(
      try blocks.indices.map {
        try forward.shortcut(of: blocks[$0], in: tile).timesTransposed(rotations[$0])
      })
  }

  /// The sums that need no inputs but their products.
  private func sums(over tile: Projections.Tile, _ t: Matrix) throws -> TokenSums {
    var sums = noSums
    for (position, block) in blocks.enumerated() {
      let whole = try forward.state(of: block, in: tile).timesTransposed(rotations[position])
      for row in 0..<whole.rows {
        for (column, weight) in weights[rows[position]].enumerated() {
          sums.references[position] += weight * whole[row, column] * whole[row, column]
        }
      }
    }
    for row in 0..<t.rows {
      for column in 0..<t.columns { sums.squares[column] += t[row, column] * t[row, column] }
    }
    return sums
  }

  /// `Σ_t a_tj b_tj` of every feature j.
  private func products(_ a: MatrixView<Double>, _ b: MatrixView<Double>, _ tokens: Int) -> [Double]
  {
    var sums = [Double](repeating: 0, count: features)
    unsafe sums.withUnsafeMutableBufferPointer { sums in
      for token in 0..<tokens {
        let (x, y) = unsafe (a.start + token * a.stride, b.start + token * b.stride)
        for i in sums.indices { unsafe sums[i] += x[i] * y[i] }
      }
    }
    return sums
  }

  // MARK: Maps

  /// Maps [r, features] of every block in the coordinates of the rows, [rowCount, features].
  func rotated(_ maps: [Matrix]) throws -> Matrix {
    .stackedRows(try zip(rotations, maps).map { try $0.multiplied(by: $1) })
  }

  /// The map of a block that some rows stand for, [r, features].
  func map(_ position: Int, _ rows: Matrix) throws -> Matrix {
    try rotations[position].transposed.multiplied(by: rows.rows(self.rows[position]))
  }

  /// All priors of all blocks below each other, in the coordinates of the rows: the paper's, where
  /// there is one, and that of slopes over the tokens summed.
  func stackedPriors(_ paper: Matrix?, _ sums: TokenSums) throws -> Matrix {
    .stackedRows([paper, try rotated(slopePriors(sums))].compactMap { $0 })
  }

  /// The prior of slopes (Replay §4.2 a): `Σ_k A_{n−k} diag(d_k)`, d the slope of each feature of
  /// `x_{n−k}` over the same of `x_n`, [r, features] for each block.
  func slopePriors(_ sums: TokenSums) -> [Matrix] {
    terms.map { terms in
      var map = Matrix(rows: terms[0].a.rows, columns: features)
      for term in terms {
        guard let slopes = sums.slopes[term.matrix] else { continue }
        for row in 0..<map.rows {
          for column in 0..<features where sums.features[column] > 0 {
            map[row, column] += term.a[row, column] * (slopes[column] / sums.features[column])
          }
        }
      }
      return map
    }
  }
}

extension Matrix {
  /// Some of the rows.
  func rows(_ range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count, columns: columns,
      values: Array(values[(range.lowerBound * columns)..<(range.upperBound * columns)]))
  }
}
