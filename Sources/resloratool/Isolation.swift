import HDF5

extension HDF5Reading {
  /// HDF5 files are listed by another process of this binary, so that what crashes the HDF5 library
  /// does not crash the tool.
  static var isolated: HDF5Reading { .isolated(executable: "/proc/self/exe") }
}
