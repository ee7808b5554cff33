internal import ByteIO
internal import CLAPACK

extension SymmetricPair {
  /// The largest eigenvalue of a matrix without negative ones, by at most 60 steps of power iteration
  /// from the roots of the diagonal: to about six digits where it stands clear of the next, else a few
  /// percent below. Each step reads the triangle once.
  package func largestEigenvalue(_ half: Half) -> Double {
    let memory = AlignedBuffer(byteCount: 16 * size)
    var vector: UnsafeMutablePointer<Double> = unsafe memory.elements()
    var image = unsafe vector + size
    for i in 0..<size { unsafe vector[i] = unsafe element(half, i, i).pointee.squareRoot() }
    var value = 0.0
    for _ in 0..<60 {
      let norm = unsafe dot(vector, vector).squareRoot()
      guard norm > 0, norm.isFinite else { return value }
      for i in 0..<size { unsafe vector[i] /= norm }
      unsafe multiply(half, vector, into: image)
      let next = unsafe dot(vector, image)
      if abs(next - value) <= 1e-9 * next { return next }
      value = next
      unsafe swap(&vector, &image)
    }
    return value
  }

  private func dot(
    _ x: UnsafeMutablePointer<Double>, _ y: UnsafeMutablePointer<Double>
  ) -> Double {
    (0..<size).reduce(0) { unsafe $0 + x[$1] * y[$1] }
  }

  private func multiply(
    _ half: Half, _ vector: UnsafeMutablePointer<Double>,
    into image: UnsafeMutablePointer<Double>
  ) {
    var (n, lda, step) = (rl_lapack_int(size), rl_lapack_int(stride), rl_lapack_int(1))
    var (one, zero) = (1.0, 0.0)
    unsafe blas.routines.dsymv(
      half.name, &n, &one, element(half, 0, 0), &lda, vector, &step, &zero, image, &step)
  }
}
