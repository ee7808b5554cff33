internal import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Tensors

/// What one thread needs to multiply some rows of a weight with tokens.
struct StripRoom {
  /// Rows of a weight in float32.
  let weights: AlignedBuffer
  /// Their products, [tokens, rows].
  let outputs: AlignedBuffer

  /// How many rows are converted in one go.
  private static let pieceRows = 32

  /// Takes memory for weights of at most so many features.
  init(rows: Int, features: Int, tokens: Int) {
    weights = AlignedBuffer(byteCount: 4 * rows * features)
    outputs = AlignedBuffer(byteCount: 4 * rows * tokens)
  }

  /// Reads some rows of a weight.
  ///
  /// - Returns: the bytes read.
  /// - Throws: errors of reading.
  func load(_ weight: TensorReference, _ rows: Range<Int>) throws -> Int {
    let (dtype, features) = (weight.info.dtype, weight.info.shape[1])
    let rowBytes = features * dtype.elementByteCount
    for piece in rows.pieces(of: StripRoom.pieceRows) {
      let bytes = try weight.source.bytes(
        of: weight.index, range: (piece.lowerBound * rowBytes)..<(piece.upperBound * rowBytes))
      unsafe bytes.withUnsafeBytes {
        unsafe Conversion.float32(
          from: $0, dtype: dtype,
          into: weights.elements() + (piece.lowerBound - rows.lowerBound) * features)
      }
    }
    return rows.count * rowBytes
  }

  /// Sets the weights to `W_stored − (W + s B A)`, computed in float64.
  ///
  /// - Parameter factors: A, and s B.
  /// - Returns: the bytes read.
  /// - Throws: errors of reading.
  func loadRoundingErrors(
    of stored: TensorReference, _ weight: TensorReference, _ rows: Range<Int>,
    _ factors: PlainFactors, _ blas: BLAS
  ) throws -> Int {
    let target = unsafe weights.elements(Float.self)
    let features = weight.info.shape[1]
    var bytesRead = 0
    for piece in rows.pieces(of: StripRoom.pieceRows) {
      func read(_ tensor: TensorReference) throws -> [Double] {
        let rowBytes = features * tensor.info.dtype.elementByteCount
        let bytes = try tensor.source.bytes(
          of: tensor.index, range: (piece.lowerBound * rowBytes)..<(piece.upperBound * rowBytes))
        bytesRead += bytes.count
        return unsafe bytes.withUnsafeBytes {
          unsafe Conversion.float64(from: $0, dtype: tensor.info.dtype)
        }
      }
      var expected = try read(weight)
      let found = try read(stored)
      let rank = factors.a.rows
      unsafe factors.a.values.withUnsafeBufferPointer { a in
        unsafe factors.b.values.withUnsafeBufferPointer { b in
          unsafe expected.withUnsafeMutableBufferPointer { w in
            guard let a = a.baseAddress, let b = b.baseAddress, let w = w.baseAddress else {
              return
            }
            unsafe blas.times(
              MatrixView(b + piece.lowerBound * rank, stride: rank),
              MatrixView(a, stride: features), m: piece.count, n: features, k: rank, beta: 1,
              into: w, stride: features)
          }
        }
      }
      let start = (piece.lowerBound - rows.lowerBound) * features
      for i in found.indices { unsafe target[start + i] = Float(found[i] - expected[i]) }
    }
    return bytesRead
  }

  /// Adds `state · leftᵀ` of some tokens and outputs to the products.
  func add(
    _ blas: BLAS, _ state: [Float], _ left: [Float], _ rank: Int, tokens: Range<Int>,
    outputs range: Range<Int>
  ) {
    unsafe state.withUnsafeBufferPointer { state in
      unsafe left.withUnsafeBufferPointer { left in
        guard let state = state.baseAddress, let left = left.baseAddress else { return }
        unsafe blas.timesTransposed(
          MatrixView(state + tokens.lowerBound * rank, stride: rank),
          MatrixView(left + range.lowerBound * rank, stride: rank), m: tokens.count,
          n: range.count, k: rank, beta: 1, into: outputs.elements(), stride: range.count)
      }
    }
  }

  /// The sum of the squares of the products plus `state · leftᵀ` of the same tokens and outputs, which
  /// is computed in float64.
  func squares(
    plus state: Matrix, _ left: Matrix, tokens: Range<Int>, outputs range: Range<Int>, _ blas: BLAS
  ) -> Double {
    let products: UnsafeMutablePointer<Float> = unsafe outputs.elements()
    let rank = state.columns
    var sum = 0.0
    // As many tokens as make a small matrix of float64.
    for piece in tokens.pieces(of: StripRoom.pieceRows) {
      var terms = [Double](repeating: 0, count: piece.count * range.count)
      unsafe state.values.withUnsafeBufferPointer { state in
        unsafe left.values.withUnsafeBufferPointer { left in
          unsafe terms.withUnsafeMutableBufferPointer { terms in
            guard let state = state.baseAddress, let left = left.baseAddress,
              let terms = terms.baseAddress
            else { return }
            unsafe blas.timesTransposed(
              MatrixView(state + piece.lowerBound * rank, stride: rank),
              MatrixView(left + range.lowerBound * rank, stride: rank), m: piece.count,
              n: range.count, k: rank, into: terms, stride: range.count)
          }
        }
      }
      let start = (piece.lowerBound - tokens.lowerBound) * range.count
      for i in terms.indices {
        let value = unsafe Double(products[start + i]) + terms[i]
        sum += value * value
      }
    }
    return sum
  }

  /// The sum of the squares of the first products, in float64.
  func squares(_ count: Int) -> Double {
    let bytes = unsafe UnsafeRawBufferPointer(outputs.bytes)
    let whole = count / 8 * 8
    var sums = SIMD8<Double>(repeating: 0)
    for start in stride(from: 0, to: whole, by: 8) {
      let values = unsafe SIMD8<Double>(
        bytes.loadUnaligned(fromByteOffset: start * 4, as: SIMD8<Float>.self))
      sums += values * values
    }
    return (whole..<count).reduce(sums.sum()) { sum, index in
      let value = unsafe Double(bytes.loadUnaligned(fromByteOffset: index * 4, as: Float.self))
      return sum + value * value
    }
  }
}
