package import Activations
internal import ByteIO
package import LinearAlgebra
package import Tensors

/// Products `A x` of every token with several A, tile of tokens by tile: each row of a matrix is read
/// once, whatever the number of A it is multiplied with.
///
/// Memory: all A in float64, once here and once in the requests, one tile of products, and for each
/// thread 128 rows of the widest matrix, 16 MiB at most or one row, as stored and in float64.
package struct Projections: Sendable {
  /// A matrix of inputs and an A [r, features] to multiply its rows with.
  package struct Request: Sendable {
    let matrix: Int
    let factor: Matrix

    package init(matrix: Int, factor: Matrix) {
      self.matrix = matrix
      self.factor = factor
    }
  }

  package private(set) var inputs: CapturedInputs
  /// All A of one matrix of inputs below each other.
  private let stacks: [Stack]
  /// Where each request's products are: the stack and the first column.
  private let places: [(stack: Int, column: Int, rank: Int)]
  private let blas: BLAS

  private struct Stack: Sendable {
    let matrix: Int
    var rows = 0
    var values: [Double] = []
  }

  /// Takes in what to multiply.
  ///
  /// - Throws: `LinearAlgebraError.noLibrary`.
  package init(_ inputs: CapturedInputs, _ requests: [Request]) throws(LinearAlgebraError) {
    var stacks: [Stack] = []
    var positions: [Int: Int] = [:]
    var places: [(stack: Int, column: Int, rank: Int)] = []
    for request in requests {
      precondition(request.factor.columns == inputs.features(of: request.matrix))
      let position = positions[request.matrix] ?? stacks.count
      if position == stacks.count {
        positions[request.matrix] = position
        stacks.append(Stack(matrix: request.matrix))
      }
      places.append((position, stacks[position].rows, request.factor.rows))
      stacks[position].rows += request.factor.rows
      stacks[position].values += request.factor.values
    }
    self.inputs = inputs
    self.stacks = stacks
    self.places = places
    blas = try BLAS.load()
  }

  /// The same over some of the tokens, counted from the first of them.
  package func taking(_ range: Range<Int>) -> Projections {
    var result = self
    result.inputs = inputs.taking(range)
    return result
  }

  /// Float64 products of one token.
  package var width: Int { stacks.reduce(0) { $0 + $1.rows } }

  /// The rows of a tile whose products take 64 MiB at most.
  package var tileRows: Int { tileRows(besides: 0) }

  /// The same where every token takes some more bytes.
  package func tileRows(besides bytes: Int) -> Int {
    Projections.tileRows(width: width, besides: bytes)
  }

  /// The same for a width that is known beforehand.
  static func tileRows(width: Int, besides bytes: Int) -> Int {
    TokenTiles.rows(bytes: 8 * width + bytes, within: 64 << 20, atMost: 4096)
  }

  /// The products of some rows, all requests'; valid until the next tile, and only read meanwhile.
  package struct Tile: @unchecked Sendable {
    /// The rows of the file.
    package let rows: Range<Int>
    fileprivate let values: [AlignedBuffer]
    fileprivate let plan: Projections

    /// The products of a request: `rows.count` rows of as many columns as its A has rows.
    package func values(of request: Int) -> MatrixView<Double> {
      let (stack, column, _) = plan.places[request]
      return unsafe MatrixView(values[stack].elements() + column, stride: plan.stacks[stack].rows)
    }

    /// The rows of a request's A.
    package func rank(of request: Int) -> Int { plan.places[request].rank }
  }

  /// Calls `body` for every tile, in order.
  ///
  /// - Parameters:
  ///   - tileRows: the rows of a tile, the last one's aside; results of sums over tiles depend on it.
  ///   - progress: called with the bytes read since the last call, from any thread.
  /// - Throws: `CaptureError.nonFinite`, errors of reading, what `body` and `progress` throw.
  package func run(
    tileRows: Int, threads: Int, allowsNonFinite: Bool,
    progress: @Sendable (_ bytes: Int) throws -> Void, _ body: (Tile) throws -> Void
  ) throws {
    let values = stacks.map { AlignedBuffer(byteCount: 8 * tileRows * $0.rows) }
    let room = IdlePool { PieceRoom(inputs, stacks.map(\.matrix)) }
    for tile in inputs.rows.pieces(of: tileRows) {
      let targets = values.map { unsafe SharedTarget<Double>($0.elements()) }
      let tasks = stacks.indices.flatMap { stack in
        tile.pieces(of: inputs.pieceRows(of: stacks[stack].matrix)).map { (stack, $0) }
      }
      _ = try Parallel.map(tasks.count, threads: threads) { [tasks] task in
        let (stack, target, piece) = (
          stacks[tasks[task].0], targets[tasks[task].0], tasks[task].1
        )
        try room.use { room in
          try unsafe inputs.float64(
            of: stack.matrix, rows: piece, raw: room.raw, into: room.values,
            allowsNonFinite: allowsNonFinite)
          unsafe multiply(
            stack, room.values, piece.count, target, piece.lowerBound - tile.lowerBound)
        }
        try progress(piece.count * inputs.rowBytes(of: stack.matrix))
      }
      try body(Tile(rows: tile, values: values, plan: self))
    }
  }

  private func multiply(
    _ stack: Stack, _ x: UnsafePointer<Double>, _ count: Int, _ target: SharedTarget<Double>,
    _ row: Int
  ) {
    let features = inputs.features(of: stack.matrix)
    unsafe stack.values.withUnsafeBufferPointer { factors in
      guard let factors = factors.baseAddress else { return }
      unsafe blas.timesTransposed(
        MatrixView(x, stride: features), MatrixView(factors, stride: features), m: count,
        n: stack.rows, k: features, into: target.start + row * stack.rows, stride: stack.rows)
    }
  }
}

/// What one thread needs to read rows.
@safe struct PieceRoom {
  let raw: AlignedBuffer
  /// Room for the rows in float64.
  let values: UnsafeMutablePointer<Double>
  private let buffer: AlignedBuffer

  init(_ inputs: CapturedInputs, _ matrices: [Int]) {
    func most(_ rowBytes: (Int) -> Int) -> Int {
      matrices.map { inputs.pieceRows(of: $0) * rowBytes($0) }.max() ?? 0
    }
    raw = AlignedBuffer(byteCount: most(inputs.rowBytes))
    buffer = AlignedBuffer(byteCount: most { 8 * inputs.features(of: $0) })
    unsafe values = buffer.elements()
  }
}
