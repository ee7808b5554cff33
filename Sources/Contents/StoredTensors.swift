internal import Activations
package import Adapters
internal import ByteIO
public import HDF5
internal import Safetensors
public import Tensors

/// The tensors at a path, an adapter's or a checkpoint's, as they are stored.
public enum StoredTensors {
  /// Opens a file, an adapter's folder or a checkpoint's folder.
  ///
  /// - Throws: errors of the formats.
  public static func open(
    path: String, hdf5: HDF5Reading = .inProcess
  ) throws -> any TensorSource {
    try open(InputProbe(path: path, hdf5: hdf5))
  }

  package static func open(_ probe: InputProbe) throws -> any TensorSource {
    if let tensors = probe.tensors { return tensors.source }
    if let folder = try AdapterFormats.tensorFile(of: probe) { return folder }
    if probe.kind == .folder { return try ShardedCheckpoint(folder: probe.path) }
    if ActivationFile.matches(probe) {
      return try ActivationFile(probe, check: .throwing).matrices
    }
    return try Adapter(probe, overrides: AdapterOverrides()).storedTensors()
  }
}
