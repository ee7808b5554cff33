package import ByteIO
package import HDF5
internal import ResLoRAContainer
package import Safetensors
package import Tensors
internal import TorchCheckpoint

/// What lies at a path, looked at once for all formats: detection goes by content, never by name.
package struct InputProbe {
  package let path: String
  package let kind: Paths.Kind
  let content: Content
  private let hdf5Reading: HDF5Reading

  /// What was recognised.
  enum Content {
    /// A folder with its entries.
    case folder([String])
    /// A safetensors file, its header checked.
    case safetensors(SafetensorsFile)
    /// An archive of torch.save.
    case torch(TorchCheckpoint)
    /// A container, of which nothing but the first bytes was looked at.
    case container(ReadableFile)
    /// An HDF5 file, its objects listed.
    case hdf5(HDF5File)
    /// A JSON text.
    case json(ReadableFile)
  }

  /// Looks at a file or folder.
  ///
  /// - Throws: where nothing is there, or where content that is recognised turns out broken.
  package init(path: String, hdf5: HDF5Reading = .inProcess) throws {
    self.path = path
    hdf5Reading = hdf5
    kind = try Paths.kind(of: path)
    content =
      kind == .folder
      ? .folder(try Paths.entries(of: path)) : try Content(ReadableFile(path: path), hdf5)
  }

  /// Looks at a file inside the folder.
  func entry(_ name: String) throws -> InputProbe {
    try InputProbe(path: Paths.join(path, name), hdf5: hdf5Reading)
  }

  /// The names in a folder; empty for a file.
  package var entries: [String] { if case .folder(let entries) = content { entries } else { [] } }

  package var safetensors: SafetensorsFile? {
    if case .safetensors(let file) = content { file } else { nil }
  }

  package var hdf5: HDF5File? { if case .hdf5(let file) = content { file } else { nil } }

  package var container: ReadableFile? {
    if case .container(let file) = content { file } else { nil }
  }

  package var isJSON: Bool { if case .json = content { true } else { false } }

  /// What it is, for an error about what it is not.
  package var summary: String {
    switch content {
    case .folder: "a folder without adapter_config.json or reslora_config.json"
    case .safetensors, .torch: "a checkpoint"
    case .container: "a container"
    case .hdf5(let file):
      HDF5Layout.format(of: file).map { "an HDF5 file of the format '\($0.escapedForTerminal)'" }
        ?? "an HDF5 file that states no format"
    case .json: "a JSON text"
    }
  }

  /// The tensors of a checkpoint in one file, whether the file keeps the order in which they were
  /// added, and what its reader warns of.
  package var tensors: (source: any TensorSource, keepsOrder: Bool, warnings: [String])? {
    switch content {
    case .safetensors(let file): (file, false, [])
    case .torch(let checkpoint): (checkpoint, true, checkpoint.warnings)
    case .folder, .container, .hdf5, .json: nil
    }
  }
}

extension InputProbe.Content {
  fileprivate init(_ file: ReadableFile, _ hdf5: HDF5Reading) throws {
    switch try FileSignature(of: file) {
    case .torch: self = .torch(try TorchCheckpoint(file: file))
    case .container: self = .container(file)
    case .hdf5: self = .hdf5(try HDF5File(file: file, reading: hdf5))
    case .json: self = .json(file)
    case .notRead(let other): throw AdapterError.notAnAdapter(source: file.path, found: other)
    // Its errors say what is wrong with it.
    case .safetensors: self = .safetensors(try SafetensorsFile(file: file))
    case nil: throw AdapterError.unknownFormat(source: file.path)
    }
  }
}

extension InputProbe {
  /// What a file is that is certainly no safetensors file; nil for others.
  static func otherThanSafetensors(_ file: ReadableFile) throws -> String? {
    switch try FileSignature(of: file) {
    case .torch: "a checkpoint of torch.save"
    case .container: "a container"
    case .hdf5: "an HDF5 file"
    case .json: "a JSON text"
    case .notRead(let other): other
    case .safetensors, nil: nil
    }
  }
}

/// What a file is by its first bytes.
private enum FileSignature {
  case torch
  case container
  case hdf5
  case json
  /// It is, or was before it was damaged, a safetensors file.
  case safetensors
  /// A format that is recognised only to say that it is not read.
  case notRead(String)

  init?(of file: ReadableFile) throws {
    if try TorchFileFormat.of(file) != nil {
      self = .torch
      return
    }
    let prefix = try file.bytes(at: 0, count: min(file.size, 64))
    if ContainerFile.isContainer(prefix: prefix) {
      self = .container
    } else if HDF5File.isHDF5(prefix: prefix) {
      self = .hdf5
    } else if FileSignature.isText(prefix) {
      self = .json
    } else if let other = FileSignature.knownOther(prefix) {
      self = .notRead(other)
    } else if FileSignature.mayBeSafetensors(prefix, file.path) {
      self = .safetensors
    } else {
      return nil
    }
  }

  /// Whether the bytes begin a JSON text; the length with which a safetensors file begins has a
  /// zero among its first bytes.
  private static func isText(_ prefix: [UInt8]) -> Bool {
    let start = prefix.first { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }
    return (start == UInt8(ascii: "{") || start == UInt8(ascii: "["))
      && !prefix.prefix(8).contains(0)
  }

  /// Whether a file is, or was before it was damaged, a safetensors file: by its ninth byte, which
  /// begins the header's JSON text, or else by its name.
  private static func mayBeSafetensors(_ prefix: [UInt8], _ path: String) -> Bool {
    prefix.count > 8 && prefix[8] == UInt8(ascii: "{")
      || Paths.fileExtension(of: path).lowercased() == "safetensors"
  }

  /// Formats that are recognised only to say that they are not read.
  private static func knownOther(_ prefix: [UInt8]) -> String? {
    if prefix.starts(with: [0x50, 0x4b, 3, 4]) {
      return "a zip archive that torch.save did not write"
    }
    if prefix.starts(with: [0x89, 0x52, 0x4c, 0x55]) {
      return "an undo file of a fold, which 'fold --undo-from' takes"
    }
    if prefix.starts(with: "GGUF".utf8) { return "a GGUF file, which is not read" }
    if prefix.starts(with: "version https://git-lfs".utf8) {
      return "a Git LFS pointer; fetch the file itself with 'git lfs pull'"
    }
    return nil
  }
}
