import ArgumentParser
import ByteIO

/// What a file may make a reader take in: for the rare file that needs more than the defaults.
struct LimitOptions: ParsableArguments {
  private static let defaults = ReadingLimits()

  @Option(
    name: .customLong("max-header"),
    help: ArgumentHelp(
      "Largest safetensors header or JSON file (default: \(Self.defaults.headerBytes / 1_000_000)MB).",
      valueName: "size"))
  var header: ByteSize?

  @Option(
    name: .customLong("max-metadata"),
    help: ArgumentHelp(
      "Largest metadata of a safetensors file (default: \(Self.defaults.metadataBytes >> 20)MiB).",
      valueName: "size"))
  var metadata: ByteSize?

  @Option(
    name: .customLong("max-tensors"),
    help: ArgumentHelp(
      "Most tensors in one file (default: \(Self.defaults.tensors)).", valueName: "n"))
  var tensors: Int?

  @Option(
    name: .customLong("max-zip-entries"),
    help: ArgumentHelp(
      "Most entries of a PyTorch file (default: \(Self.defaults.zipEntries)).", valueName: "n"))
  var zipEntries: Int?

  @Option(
    name: .customLong("max-pickle"),
    help: ArgumentHelp(
      "Largest pickle; what it may do grows with it (default: \(Self.defaults.pickleBytes >> 20)MiB).",
      valueName: "size"))
  var pickle: ByteSize?

  @Option(
    name: .customLong("max-inflated"),
    help: ArgumentHelp(
      "Most bytes that compressed storages of a PyTorch file take in memory (default: \(Self.defaults.inflatedBytes >> 30)GiB).",
      valueName: "size"))
  var inflated: ByteSize?

  @Option(
    name: .customLong("hdf5-time"),
    help: ArgumentHelp(
      "Seconds to wait for the HDF5 library (default: \(Self.defaults.listingSeconds)).",
      valueName: "seconds"))
  var listingSeconds: Int?

  @Option(
    name: .customLong("hdf5-memory"),
    help: ArgumentHelp(
      "Memory that the HDF5 library may take (default: \(Self.defaults.listingBytes >> 30)GiB).",
      valueName: "size"))
  var listingMemory: ByteSize?

  func validate() throws {
    let counts = [
      ("max-tensors", tensors), ("max-zip-entries", zipEntries), ("hdf5-time", listingSeconds),
    ]
    for (name, count) in counts {
      if let count, !(1...1_000_000_000).contains(count) {
        throw ValidationError("--\(name) must be 1 or more, and 1000000000 at most")
      }
    }
    if let listingMemory, listingMemory.bytes < 64 << 20 {
      throw ValidationError("--hdf5-memory must be 64MiB or more, which the library takes itself")
    }
  }

  /// The options that were given, for another process that is to read by the same limits.
  var arguments: [String] {
    let given: [(name: String, value: Int?)] = [
      ("max-header", header?.bytes), ("max-metadata", metadata?.bytes), ("max-tensors", tensors),
      ("max-zip-entries", zipEntries), ("max-pickle", pickle?.bytes),
      ("max-inflated", inflated?.bytes), ("hdf5-time", listingSeconds),
      ("hdf5-memory", listingMemory?.bytes),
    ]
    return given.flatMap { name, value in value.map { ["--\(name)", "\($0)"] } ?? [] }
  }

  /// The defaults with what was asked for.
  var limits: ReadingLimits {
    var limits = Self.defaults
    if let header { limits.headerBytes = header.bytes }
    if let metadata { limits.metadataBytes = metadata.bytes }
    if let tensors { limits.tensors = tensors }
    if let zipEntries { limits.zipEntries = zipEntries }
    if let pickle { limits.pickleBytes = pickle.bytes }
    if let inflated { limits.inflatedBytes = inflated.bytes }
    if let listingSeconds { limits.listingSeconds = listingSeconds }
    if let listingMemory { limits.listingBytes = listingMemory.bytes }
    return limits
  }
}
