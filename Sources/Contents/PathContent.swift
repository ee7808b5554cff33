public import Activations
public import Adapters
internal import ByteIO
public import HDF5
internal import Safetensors
public import Tensors

/// What lies at a path, whatever it is.
public enum PathContent: Sendable {
  /// An adapter.
  case adapter(Adapter)
  /// An adapter that is no plain LoRA of linear layers: what it does to a base.
  case updates(AdapterUpdates)
  /// Tensors that are no adapter.
  case checkpoint(Checkpoint)
  /// Captured inputs of an adapter's linears.
  case activations(ActivationFile)
  /// Norm windows without an adapter.
  case windows(WindowsFile)

  /// Tensors in one file or several.
  public struct Checkpoint: Sendable {
    /// The name of the format.
    public let format: String
    /// The tensors.
    public let source: any TensorSource
    /// The name of the file that holds each tensor.
    public let files: [String]
    /// The paths of these files.
    public let paths: [String]
    /// The number of files.
    public let shardCount: Int
    /// The metadata of the file, or of the first of several.
    public let metadata: [(key: String, value: String)]
    /// What is odd but harmless, one line each.
    public let warnings: [String]
  }

  /// Looks at a path by its content.
  ///
  /// - Parameter hdf5: how HDF5 files are listed.
  /// - Throws: errors of the formats, where content is recognised and broken.
  public init(
    path: String, overrides: AdapterOverrides = AdapterOverrides(),
    hdf5: HDF5Reading = .inProcess
  ) throws {
    try self.init(InputProbe(path: path, hdf5: hdf5), overrides: overrides)
  }

  package init(_ probe: InputProbe, overrides: AdapterOverrides = AdapterOverrides()) throws {
    switch try ContentKind(of: probe) {
    case .adapter:
      if let updates = try AdapterUpdates(probe), !updates.isPlain {
        self = .updates(updates)
      } else {
        self = .adapter(try Adapter(probe, overrides: overrides))
      }
    case .activations: self = .activations(try ActivationFile(probe, check: .throwing))
    case .windows: self = .windows(try WindowsFile(probe))
    case .checkpoint: self = .checkpoint(try Checkpoint(probe))
    }
  }
}

extension PathContent {
  /// The files that hold the content.
  public var files: [String] {
    switch self {
    case .adapter(let adapter): adapter.files
    case .updates(let updates): updates.files
    case .activations(let file): [file.label]
    case .windows(let file): [file.path]
    case .checkpoint(let checkpoint): checkpoint.paths
    }
  }
}

/// The kinds of content there are.
enum ContentKind {
  case adapter(any AdapterFormat.Type)
  case activations
  case windows
  case checkpoint

  init(of probe: InputProbe) throws {
    if let format = try AdapterFormats.format(of: probe) {
      self = .adapter(format)
    } else if ActivationFile.matches(probe) {
      self = .activations
    } else if WindowsFile.format(of: probe) != nil {
      try WindowsFile.refuseTopology(probe)
      self = .windows
    } else {
      self = .checkpoint
    }
  }
}

extension PathContent.Checkpoint {
  init(_ probe: InputProbe) throws {
    if probe.kind == .folder {
      let checkpoint = try ShardedCheckpoint(folder: probe.path)
      format = "safetensors checkpoint"
      source = checkpoint
      files = checkpoint.tensors.indices.map { Paths.name(of: checkpoint.shard(of: $0).label) }
      paths = checkpoint.shards.map(\.label)
      shardCount = checkpoint.shards.count
      let metadata = checkpoint.shards.map(\.header.metadata)
      let differs = metadata.contains { shard in
        !shard.elementsEqual(metadata[0]) { $0.key == $1.key && $0.value == $1.value }
      }
      self.metadata = metadata.first ?? []
      warnings =
        checkpoint.warnings
        + (differs ? ["metadata of other shards: left out, it differs from that of the first"] : [])
      return
    }
    guard let (source, _, warnings) = probe.tensors else {
      throw AdapterError.notAnAdapter(source: probe.path, found: "content of another kind")
    }
    format = probe.safetensors == nil ? "torch checkpoint" : "safetensors"
    self.source = source
    files = source.tensors.map { _ in Paths.name(of: probe.path) }
    paths = [probe.path]
    shardCount = 1
    metadata = probe.safetensors?.header.metadata ?? []
    self.warnings = warnings
  }
}
