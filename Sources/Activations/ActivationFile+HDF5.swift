internal import Adapters
internal import ByteIO
internal import HDF5
internal import Tensors

/// Activations in HDF5 (Activations §3).
extension ActivationFile {
  static let hdf5Format = "reslora-activations"
  static let version = 1

  static func format(of file: HDF5File) -> String? { nil }

  init(hdf5 file: HDF5File, path: String, check: RuleCheck) throws {
    throw ActivationError(path: path, rule: "Activations §1", reason: .notActivations)
  }
}

extension ActivationFile {
  func writeHDF5(
    to path: String, replacing: Bool, threads: Int, progress: (Int, Int) throws -> Void
  ) throws { throw HDF5NotYet(path: path) }
}
