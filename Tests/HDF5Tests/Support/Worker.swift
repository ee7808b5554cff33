import Foundation
import HDF5

/// The program that lists files for the tests.
enum Worker {
  /// The tool beside the test bundle, or what RESLORATOOL names.
  static let path: String = {
    if let path = ProcessInfo.processInfo.environment["RESLORATOOL"] { return path }
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    return bundle.appendingPathComponent("resloratool").path
  }()

  static let reading = HDF5Reading.isolated(executable: path)

  /// A reading with other limits.
  static func reading(_ change: (inout HDF5WorkerLimits) -> Void) -> HDF5Reading {
    var limits = HDF5WorkerLimits()
    change(&limits)
    return .isolated(executable: path, limits: limits)
  }
}
