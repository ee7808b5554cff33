package import Activations
package import ByteIO
package import LinearAlgebra
package import Tensors

/// Products `A x` of every token with several A, tile of tokens by tile: each row of a matrix is read
/// once, whatever the number of A it is multiplied with.
///
/// Memory: all A in float64, one tile of products, and for each thread 128 rows of the widest matrix
/// as stored and in float64.
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

  /// The rows of a tile whose products take 64 MiB at most, in steps of 64.
  package var tileRows: Int { tileRows(besides: 0) }

  /// The same where every token takes some more bytes.
  package func tileRows(besides bytes: Int) -> Int {
    Projections.tileRows(width: width, besides: bytes)
  }

  /// The same for a width that is known beforehand.
  static func tileRows(width: Int, besides bytes: Int) -> Int {
    min(4096, max(64, (64 << 20) / max(1, 8 * width + bytes) / 64 * 64))
  }

  /// The bytes that one run reads.
  package var bytesRead: Int {
    stacks.reduce(0) { $0 + inputs.rowBytes(of: $1.matrix) * inputs.tokens }
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
      return MatrixView(values[stack].elements() + column, stride: plan.stacks[stack].rows)
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
    let rowBytes = stacks.map { inputs.rowBytes(of: $0.matrix) }.max() ?? 0
    let features = stacks.map { inputs.features(of: $0.matrix) }.max() ?? 0
    let room = IdlePool {
      PieceRoom(rawBytes: CapturedInputs.pieceRows * rowBytes, features: features)
    }
    for tile in inputs.rows.pieces(of: tileRows) {
      let pieces = tile.pieces(of: CapturedInputs.pieceRows)
      let targets = values.map { SharedTarget<Double>($0.elements()) }
      _ = try Parallel.map(stacks.count * pieces.count, threads: threads) { task in
        let (stack, piece) = (stacks[task / pieces.count], pieces[task % pieces.count])
        let target = targets[task / pieces.count]
        try room.use { room in
          try inputs.float64(
            of: stack.matrix, rows: piece, raw: room.raw, into: room.values,
            allowsNonFinite: allowsNonFinite)
          multiply(stack, room.values, piece.count, target, piece.lowerBound - tile.lowerBound)
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
    stack.values.withUnsafeBufferPointer { factors in
      guard let factors = factors.baseAddress else { return }
      blas.timesTransposed(
        MatrixView(x, stride: features), MatrixView(factors, stride: features), m: count,
        n: stack.rows, k: features, into: target.start + row * stack.rows, stride: stack.rows)
    }
  }
}

/// What one thread needs to read rows.
package struct PieceRoom {
  package let raw: AlignedBuffer
  /// Room for the rows in float64.
  package let values: UnsafeMutablePointer<Double>
  private let buffer: AlignedBuffer

  package init(rawBytes: Int, features: Int) {
    raw = AlignedBuffer(byteCount: rawBytes)
    buffer = AlignedBuffer(byteCount: 8 * CapturedInputs.pieceRows * features)
    values = buffer.elements()
  }
}

/// Where tasks write at the same time, each its own rows.
package struct SharedTarget<Element>: @unchecked Sendable {
  package let start: UnsafeMutablePointer<Element>

  package init(_ start: UnsafeMutablePointer<Element>) { self.start = start }
}
