internal import Adapters
internal import ByteIO
internal import Tensors

extension ActivationFile {
  /// The formats that activations are written in.
  public enum OutputFormat: Sendable {
    /// Activations §2
    case safetensors
    /// Activations §3
    case hdf5
  }

  /// Refuses what a format can't hold, before anything is written.
  ///
  /// - Throws: `ActivationError`
  public func check(_ format: OutputFormat, for path: String) throws {
    guard format == .safetensors else { return }
    for (key, _) in metadata
    where AdapterFormats.metadataKeys.contains(key) || key == Self.inputsKey {
      throw ActivationError(path: path, rule: "Activations §2", reason: .takenMetadata(key: key))
    }
  }

  /// Writes the activations into another file, streamed; it appears when it is complete and read
  /// back.
  ///
  /// - Parameter progress: called with the bytes written and to be written; an error it throws stops
  ///   the work.
  /// - Throws: as `check(_:for:)`, `FileError`, errors of reading and writing.
  public func write(
    to path: String, _ format: OutputFormat, replacing: Bool, threads: Int = 1,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws {
    try check(format, for: path)
    switch format {
    case .safetensors: try writeSafetensors(to: path, replacing: replacing, progress: progress)
    case .hdf5: try writeHDF5(to: path, replacing: replacing, threads: threads, progress: progress)
    }
  }
}
