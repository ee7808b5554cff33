internal import ByteIO
internal import Safetensors
internal import Tensors
internal import TorchCheckpoint

/// What lies at a path, looked at once for all formats: detection goes by content, never by name.
struct InputProbe {
  let path: String
  let kind: Paths.Kind
  /// The names in a folder; empty for a file.
  let entries: [String]
  /// The file opened as safetensors, its header checked; nil for other content.
  let safetensors: SafetensorsFile?
  /// The file opened as a torch archive; nil for other content.
  let torch: TorchCheckpoint?

  /// Looks at a file or folder.
  ///
  /// - Throws: where nothing is there, or where content that is recognised turns out broken.
  init(path: String) throws {
    self.path = path
    kind = try Paths.kind(of: path)
    entries = kind == .folder ? try Paths.entries(of: path) : []
    guard kind != .folder else {
      safetensors = nil
      torch = nil
      return
    }
    let file = try ReadableFile(path: path)
    if try TorchFileFormat.of(file) != nil {
      safetensors = nil
      torch = try TorchCheckpoint(file: file)
      return
    }
    if let other = try InputProbe.knownOther(file) {
      throw AdapterError.notAnAdapter(source: path, found: other)
    }
    // Whatever else it is, it is read as safetensors, whose errors say what is wrong with it.
    safetensors = try SafetensorsFile(file: file)
    torch = nil
  }

  /// Formats that are recognised only to say that they are not read.
  private static func knownOther(_ file: ReadableFile) throws -> String? {
    let prefix = try file.bytes(at: 0, count: min(file.size, 24))
    if prefix.starts(with: [0x50, 0x4b, 3, 4]) {
      return "a zip archive that torch.save did not write"
    }
    if prefix.starts(with: [0x89, 0x48, 0x44, 0x46]) {
      return "an HDF5 file, which is not read yet"
    }
    if prefix.starts(with: "GGUF".utf8) { return "a GGUF file, which is not read" }
    if prefix.starts(with: "version https://git-lfs".utf8) {
      return "a Git LFS pointer; fetch the file itself with 'git lfs pull'"
    }
    return nil
  }

  /// The tensors of a file, whether the file keeps the order in which they were added, and what
  /// its reader warns of.
  var tensors: (source: any TensorSource, keepsOrder: Bool, warnings: [String])? {
    if let safetensors { return (safetensors, false, []) }
    if let torch { return (torch, true, torch.warnings) }
    return nil
  }
}
