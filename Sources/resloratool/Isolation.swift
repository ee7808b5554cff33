import HDF5

extension HDF5Reading {
  /// HDF5 files are listed by another process of this binary, so that what crashes the HDF5 library
  /// does not crash the tool.
  static var isolated: HDF5Reading {
    var limits = HDF5WorkerLimits()
    limits.checkpoint = { try Interruption.check() }
    return .isolated(executable: HDF5Worker.ownExecutable, limits: limits)
  }
}
