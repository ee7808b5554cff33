/// How much a file may make a reader take in, beyond which it is refused.
///
/// The defaults leave room for every file that people are known to have, and keep what a hostile one
/// can cost small. They hold where `ReadingLimits.current` is read, which a task may set:
/// `ReadingLimits.$current.withValue(limits) { … }`. Limits that belong to a format of the Spec are
/// not among them. The command line has an option for each (Security §3).
public struct ReadingLimits: Sendable, Equatable {
  /// Bytes of a safetensors header, and of a JSON file. Of JSON that is kept whole there is at most
  /// one value for ten bytes of it.
  public var headerBytes = 100_000_000
  /// Bytes of all keys and values of a safetensors file's metadata.
  public var metadataBytes = 16 << 20
  /// Tensors of one safetensors file, or named by one pickle.
  public var tensors = 1_000_000
  /// Entries of a zip archive.
  public var zipEntries = 10_000
  /// Bytes of a pickle; what it may do grows with them.
  public var pickleBytes = 64 << 20
  /// Bytes that the compressed storages of one PyTorch file decompress to.
  public var inflatedBytes = 4 << 30
  /// Seconds that the process may take which lists an HDF5 file.
  public var listingSeconds = 30
  /// Bytes of memory that it may take.
  public var listingBytes = 1 << 30

  /// The limits of the task that asks.
  @TaskLocal public static var current = ReadingLimits()

  /// The defaults.
  public init() {}

  /// The values of a JSON text that is kept whole.
  var jsonValues: Int { headerBytes / 10 }

  /// Bytes of the list of a zip archive's entries.
  package var zipDirectoryBytes: Int { zipEntries * 1600 }
}
