package import Activations
package import ByteIO
internal import Tensors

extension CapturedInputs {
  /// How many rows of a matrix are read and converted in one go: 128, or what 16 MiB of float64 hold.
  func pieceRows(of matrix: Int) -> Int {
    TokenTiles.rows(bytes: 8 * features(of: matrix), within: 16 << 20, atMost: 128)
  }

  /// Reads some rows of a matrix in float64.
  ///
  /// - Parameters:
  ///   - raw: room for the rows as they are stored.
  ///   - target: room for `rows.count` times the matrix's features.
  /// - Throws: `CaptureError.nonFinite` unless that is allowed; errors of reading.
  package func float64(
    of matrix: Int, rows: Range<Int>, raw: AlignedBuffer, into target: UnsafeMutablePointer<Double>,
    allowsNonFinite: Bool
  ) throws {
    let info = matrices.tensors[matrix]
    let features = info.shape[1]
    let bytes = try unsafe read(matrix, rows, raw)
    let values = unsafe UnsafeMutableBufferPointer(start: target, count: rows.count * features)
    unsafe Conversion.float64(from: UnsafeRawBufferPointer(bytes), dtype: info.dtype, into: values)
    guard !allowsNonFinite, let place = unsafe firstNonFinite(UnsafeBufferPointer(values)) else {
      return
    }
    throw CaptureError.nonFinite(
      source: label, matrix: info.name, token: rows.lowerBound + place / features)
  }

  /// Reads some rows of a matrix in float64, on several threads.
  ///
  /// - Parameter target: room for `rows.count` times the matrix's features.
  /// - Throws: `CaptureError.nonFinite` unless that is allowed; errors of reading.
  package func float64(
    of matrix: Int, rows: Range<Int>, into target: SharedTarget<Double>, threads: Int,
    allowsNonFinite: Bool
  ) throws {
    try forEachPiece(of: matrix, rows, threads) { piece, raw in
      try unsafe float64(
        of: matrix, rows: piece, raw: raw,
        into: target.start + (piece.lowerBound - rows.lowerBound) * features(of: matrix),
        allowsNonFinite: allowsNonFinite)
    }
  }

  /// Reads some rows of a matrix in float32, on several threads, without looking for what is not
  /// finite.
  func float32(
    of matrix: Int, rows: Range<Int>, into target: SharedTarget<Float>, threads: Int
  ) throws {
    try forEachPiece(of: matrix, rows, threads) { piece, raw in
      try unsafe float32(
        of: matrix, rows: piece, raw: raw,
        into: target.start + (piece.lowerBound - rows.lowerBound) * features(of: matrix))
    }
  }

  private func forEachPiece(
    of matrix: Int, _ rows: Range<Int>, _ threads: Int,
    _ body: @Sendable (Range<Int>, AlignedBuffer) throws -> Void
  ) throws {
    let pieceRows = pieceRows(of: matrix)
    let pieces = rows.pieces(of: pieceRows)
    let rowBytes = rowBytes(of: matrix)
    let room = IdlePool { AlignedBuffer(byteCount: pieceRows * rowBytes) }
    _ = try Parallel.map(pieces.count, threads: threads) { index in
      try room.use { try body(pieces[index], $0) }
    }
  }

  private func float32(
    of matrix: Int, rows: Range<Int>, raw: AlignedBuffer, into target: UnsafeMutablePointer<Float>
  ) throws {
    let bytes = try unsafe read(matrix, rows, raw)
    unsafe Conversion.float32(
      from: UnsafeRawBufferPointer(bytes), dtype: matrices.tensors[matrix].dtype, into: target)
  }

  /// The bytes of a row of a matrix.
  package func rowBytes(of matrix: Int) -> Int {
    let info = matrices.tensors[matrix]
    return info.shape[1] * info.dtype.elementByteCount
  }

  private func read(
    _ matrix: Int, _ rows: Range<Int>, _ raw: AlignedBuffer
  ) throws -> UnsafeMutableRawBufferPointer {
    let rowBytes = rowBytes(of: matrix)
    let bytes = unsafe raw.prefix(rows.count * rowBytes)
    try unsafe matrices.read(tensor: matrix, at: rows.lowerBound * rowBytes, into: bytes)
    return unsafe bytes
  }

  private func firstNonFinite(_ values: UnsafeBufferPointer<Double>) -> Int? {
    // Zero times a finite number is zero, times anything else NaN.
    let bytes = UnsafeRawBufferPointer(values)
    let whole = values.count / 8 * 8
    var sums = SIMD8<Double>(repeating: 0)
    for start in Swift.stride(from: 0, to: whole, by: 8) {
      unsafe sums += bytes.loadUnaligned(fromByteOffset: start * 8, as: SIMD8<Double>.self) * 0
    }
    if sums.sum() == 0, unsafe values[whole...].allSatisfy(\.isFinite) { return nil }
    return unsafe values.firstIndex { !$0.isFinite }
  }
}
