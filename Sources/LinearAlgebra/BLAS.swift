internal import ByteIO
internal import CLAPACK
internal import Synchronization
internal import Tensors

/// The routines of OpenBLAS (Accelerate on macOS), loaded when the first is asked for.
///
/// The package runs them on one thread each and several of them at once over pieces whose extents do
/// not depend on the number of threads: so results have the same bits for any, and `threads` of the
/// caller is what is used.
package struct BLAS: Sendable {
  let routines: CLAPACKLibrary

  private static let loaded: BLAS? = {
    var library = CLAPACKLibrary()
    return unsafe clapack_load(&library) ? BLAS(routines: library) : nil
  }()

  private init(routines: CLAPACKLibrary) { self.routines = routines }

  /// The library.
  ///
  /// - Throws: `LinearAlgebraError.noLibrary`.
  package static func load() throws(LinearAlgebraError) -> BLAS {
    guard let loaded else { throw .noLibrary }
    return loaded
  }

  /// Bytes that OpenBLAS takes for each thread that calls it, once; it tries for ever to get them.
  private static let bytesPerThread = 129 << 20

  /// Runs `body`, which calls the library on at most so many threads at once, with the library's own
  /// threads off; afterwards they are as before.
  ///
  /// - Throws: `LinearAlgebraError.noRoom`, what `body` throws.
  package static func withoutOwnThreads<Result>(
    on threads: Int, _ body: () throws -> Result
  ) throws -> Result {
    try own.withLock { own in
      if loaded != nil, threads > own.provided {
        let needed = threads * bytesPerThread
        guard Parallel.hasRoom(forBytes: needed) else {
          throw LinearAlgebraError.noRoom(needed: needed)
        }
        own.provided = threads
      }
      if own.users == 0 {
        own.threads = loaded?.routines.get_threads?()
        loaded?.routines.set_threads?(1)
      }
      own.users += 1
    }
    defer {
      own.withLock { own in
        own.users -= 1
        if own.users == 0, let threads = own.threads { loaded?.routines.set_threads?(threads) }
      }
    }
    return try body()
  }

  /// How many want the library's threads off, how many those were, and how many threads of ours it had
  /// memory for.
  private static let own = Mutex<(users: Int, threads: Int32?, provided: Int)>((0, nil, 0))
}

/// A row-major matrix somewhere in memory.
@safe package struct MatrixView<Element> {
  package let start: UnsafePointer<Element>
  /// Elements from one row to the next.
  package let stride: Int

  package init(_ start: UnsafePointer<Element>, stride: Int) {
    unsafe self.start = start
    self.stride = stride
  }
}

extension BLAS {
  /// `C = A Bᵀ + beta C`, row-major: A is m x k, B n x k, C m x n.
  package func timesTransposed(
    _ a: MatrixView<Double>, _ b: MatrixView<Double>, m: Int, n: Int, k: Int, beta: Double = 0,
    into c: UnsafeMutablePointer<Double>, stride: Int
  ) {
    // Column-major they are transposed, and so is the product: Cᵀ = B Aᵀ.
    unsafe gemm("T", "N", n, m, k, 1, b, a, beta, c, stride)
  }

  /// The same in single precision.
  package func timesTransposed(
    _ a: MatrixView<Float>, _ b: MatrixView<Float>, m: Int, n: Int, k: Int, beta: Float = 0,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    var (m, n, k) = (rl_lapack_int(m), rl_lapack_int(n), rl_lapack_int(k))
    var (lda, ldb, ldc) = (rl_lapack_int(b.stride), rl_lapack_int(a.stride), rl_lapack_int(stride))
    var (alpha, beta) = (Float(1), beta)
    unsafe routines.sgemm(
      "T", "N", &n, &m, &k, &alpha, b.start, &lda, a.start, &ldb, &beta, c, &ldc)
  }

  /// `C = A B + beta C`, row-major: A is m x k, B k x n, C m x n.
  package func times(
    _ a: MatrixView<Double>, _ b: MatrixView<Double>, m: Int, n: Int, k: Int, beta: Double = 0,
    into c: UnsafeMutablePointer<Double>, stride: Int
  ) {
    unsafe gemm("N", "N", n, m, k, 1, b, a, beta, c, stride)
  }

  /// `C = Aᵀ B + beta C`, row-major: A is k x m, B k x n, C m x n.
  package func transposedTimes(
    _ a: MatrixView<Double>, _ b: MatrixView<Double>, m: Int, n: Int, k: Int, beta: Double = 0,
    into c: UnsafeMutablePointer<Double>, stride: Int
  ) {
    unsafe gemm("N", "T", n, m, k, 1, b, a, beta, c, stride)
  }

  /// Column-major, as the routine has it.
  func gemm(
    _ transposeA: String, _ transposeB: String, _ m: Int, _ n: Int, _ k: Int, _ alpha: Double,
    _ a: MatrixView<Double>, _ b: MatrixView<Double>, _ beta: Double,
    _ c: UnsafeMutablePointer<Double>, _ stride: Int
  ) {
    var (m, n, k) = (rl_lapack_int(m), rl_lapack_int(n), rl_lapack_int(k))
    var (lda, ldb, ldc) = (rl_lapack_int(a.stride), rl_lapack_int(b.stride), rl_lapack_int(stride))
    var (alpha, beta) = (alpha, beta)
    unsafe routines.dgemm(
      transposeA, transposeB, &m, &n, &k, &alpha, a.start, &lda, b.start, &ldb, &beta, c, &ldc)
  }
}
