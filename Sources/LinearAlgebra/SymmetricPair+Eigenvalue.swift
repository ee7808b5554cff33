extension SymmetricPair {
  /// The largest eigenvalue of a matrix without negative ones, by power iteration from the diagonal:
  /// to about six digits where it stands clear of the next, else a little below; size² for each of at
  /// most 200 steps.
  package func largestEigenvalue(_ half: Half) -> Double {
    var vector = (0..<size).map { element(half, $0, $0).pointee.squareRoot() }
    var image = vector
    var value = 0.0
    for _ in 0..<200 {
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard norm > 0, norm.isFinite else { return value }
      for i in vector.indices { vector[i] /= norm }
      times(half, rows: vector, count: 1, into: &image)
      let next = zip(vector, image).reduce(0) { $0 + $1.0 * $1.1 }
      swap(&vector, &image)
      if abs(next - value) <= 1e-9 * next { return next }
      value = next
    }
    return value
  }
}
