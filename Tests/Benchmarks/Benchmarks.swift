import HDF5

/// Prints the figures of the benchmark that is named: `benchmarks NAME [ARGUMENT…]`.
@main
enum Benchmarks {
  /// The benchmarks by name.
  static let all: [(name: String, run: @Sendable ([String]) throws -> Void)] = [
    ("container", ContainerBenchmark.run),
    ("hdf5", HDF5Benchmark.run),
    ("kernels", FoldKernelBenchmark.run),
    ("replay", ReplayBenchmark.run),
  ]

  static func main() throws {
    HDF5Worker.runIfAsked(arguments: CommandLine.arguments)
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard let benchmark = all.first(where: { $0.name == arguments.first }) else {
      print("usage: benchmarks \(all.map(\.name).joined(separator: "|")) [ARGUMENT…]")
      return
    }
    try benchmark.run(Array(arguments.dropFirst()))
  }
}
