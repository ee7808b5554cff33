public import Tensors

/// Why dense linear algebra failed.
public enum LinearAlgebraError: DiagnosableError, Equatable {
  /// No library for it.
  case noLibrary
  /// A routine that did not succeed.
  case routine(String, code: Int)
  /// More memory than the machine has.
  case tooLarge(needed: Int, available: Int)
  /// Less memory may be used than the library takes before it begins.
  case noRoom(needed: Int)
  /// A matrix that is not positive definite to working precision.
  case notPositiveDefinite(size: Int)

  /// What the numbers are is bad data; the rest is the machine's matter.
  public var failureKind: FailureKind {
    if case .notPositiveDefinite = self { .badData } else { .resource }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .noLibrary:
      "this needs OpenBLAS for dense linear algebra, which is not there; install libopenblas0 "
        + "(Debian, Ubuntu)"
    case .routine(let name, let code):
      "LAPACK's \(name) failed (code \(code)); are all numbers that go into it finite?"
    case .tooLarge(let needed, let available):
      "a fit needs more memory than this machine has (needed \(needed >> 20) MiB, found "
        + "\(available >> 20) MiB); fit on fewer --calibration-tokens"
    case .noRoom(let needed):
      "OpenBLAS needs more memory than this process may use (needed \(needed >> 20) MiB); raise its "
        + "limit, or pass a smaller --threads"
    case .notPositiveDefinite(let size):
      "the products of \(size) captured inputs are too close to singular to fit by; pass a larger "
        + "--penalty, or check that they are finite"
    }
  }
}
