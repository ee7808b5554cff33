internal import ByteIO
internal import HDF5
internal import Tensors

enum ResLoRAHDF5: AdapterFormat {
  static let name = "ResLoRA HDF5"
  static func matches(_ probe: InputProbe) throws -> Bool { probe.hdf5 != nil }
  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? { nil }
}
