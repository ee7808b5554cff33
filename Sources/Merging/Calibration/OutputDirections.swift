package import Tensors

/// The right singular vectors of a block's `s B` and the squares of its singular values, from
/// `(s B)ᵀ (s B)` by Jacobi rotations.
///
/// Sums over the tokens of one fit may be made on several machines, in these coordinates. So every
/// processor has to find the same ones, to the bit, even where σ are nearly equal: no library is asked,
/// whose bits depend on the processor, and nothing is summed in an order that could.
///
/// Takes out · r² and some 30 · r³ operations.
package struct OutputDirections {
  /// σ², largest first, as many as the smaller of out and r.
  package let weights: [Double]
  /// The vectors, one a row, [weights.count, r].
  package let rotation: Matrix

  /// Finds the directions of L = `s B`, [out, r].
  package init(of left: Matrix) {
    let size = left.columns
    var square = OutputDirections.square(of: left)
    var vectors = Matrix(rows: size, columns: size)
    for i in 0..<size { vectors[i, i] = 1 }
    // Ten suffice for finite numbers; others have no answer.
    var sweeps = 0
    while sweeps < 40, OutputDirections.sweep(&square, &vectors) { sweeps += 1 }
    let found = (0..<size).map { max(square[$0, $0], 0) }
    func order(_ index: Int) -> (Double, Int) { (-found[index], index) }
    let kept = (0..<size).sorted { order($0) < order($1) }.prefix(min(size, left.rows))
    weights = kept.map { found[$0] }
    rotation = Matrix(
      rows: kept.count, columns: size,
      values: kept.flatMap { index in (0..<size).map { vectors[index, $0] } })
  }

  /// `Lᵀ L`
  private static func square(of left: Matrix) -> Matrix {
    var square = Matrix(rows: left.columns, columns: left.columns)
    for row in 0..<left.rows {
      for i in 0..<left.columns {
        let factor = left[row, i]
        for j in 0...i { square[i, j] += factor * left[row, j] }
      }
    }
    for i in 0..<left.columns {
      for j in 0..<i { square[j, i] = square[i, j] }
    }
    return square
  }

  /// Turns every pair of coordinates such that their product vanishes.
  ///
  /// - Returns: whether any was turned.
  private static func sweep(_ square: inout Matrix, _ vectors: inout Matrix) -> Bool {
    let size = square.rows
    var turned = false
    for p in 0..<size {
      for q in (p + 1)..<size {
        let product = square[p, q]
        let bound = 1e-17 * (square[p, p] * square[q, q]).magnitude.squareRoot()
        guard product.magnitude > bound else { continue }
        turned = true
        let ratio = (square[q, q] - square[p, p]) / (2 * product)
        let tangent =
          (ratio < 0 ? -1 : 1) / (ratio.magnitude + (ratio * ratio + 1).squareRoot())
        let cosine = 1 / (tangent * tangent + 1).squareRoot()
        let sine = tangent * cosine
        for k in 0..<size {
          let (x, y) = (square[k, p], square[k, q])
          square[k, p] = cosine * x - sine * y
          square[k, q] = sine * x + cosine * y
        }
        for k in 0..<size {
          let (x, y) = (square[p, k], square[q, k])
          square[p, k] = cosine * x - sine * y
          square[q, k] = sine * x + cosine * y
          let (v, w) = (vectors[p, k], vectors[q, k])
          vectors[p, k] = cosine * v - sine * w
          vectors[q, k] = sine * v + cosine * w
        }
        (square[p, q], square[q, p]) = (0, 0)
      }
    }
    return turned
  }
}
