enum HDF5Benchmark {
  static func run(_ arguments: [String]) throws {}
}
