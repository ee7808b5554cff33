import HDF5
import TestSupport

/// The program that lists files for the tests.
enum Worker {
  static let reading = HDF5Reading.isolated(executable: Tool.path)

  /// A reading with other limits.
  static func reading(_ change: (inout HDF5WorkerLimits) -> Void) -> HDF5Reading {
    var limits = HDF5WorkerLimits()
    change(&limits)
    return .isolated(executable: Tool.path, limits: limits)
  }
}
