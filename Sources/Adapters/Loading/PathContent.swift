internal import ByteIO
internal import Safetensors
public import Tensors

/// What lies at a path, whatever it is.
public enum PathContent: Sendable {
  /// An adapter.
  case adapter(Adapter)
  /// Tensors that are no adapter.
  case checkpoint(Checkpoint)

  /// Tensors in one file or several.
  public struct Checkpoint: Sendable {
    /// The name of the format.
    public let format: String
    /// The tensors.
    public let source: any TensorSource
    /// The name of the file that holds each tensor.
    public let files: [String]
    /// The number of files.
    public let shardCount: Int
    /// The metadata of the file, or of the first of several.
    public let metadata: [(key: String, value: String)]
    /// What is odd but harmless, one line each.
    public let warnings: [String]
  }

  /// Looks at a path by its content.
  ///
  /// - Throws: errors of the formats, where content is recognised and broken.
  public init(path: String, overrides: AdapterOverrides = AdapterOverrides()) throws {
    let probe = try InputProbe(path: path)
    if try AdapterFormats.all.contains(where: { try $0.matches(probe) }) {
      self = .adapter(try Adapter(path: path, overrides: overrides))
    } else {
      self = .checkpoint(try Checkpoint(probe))
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
      shardCount = checkpoint.shards.count
      metadata = checkpoint.shards.first?.header.metadata ?? []
      warnings = checkpoint.warnings
      return
    }
    guard let (source, _, warnings) = probe.tensors else {
      throw AdapterError.notAnAdapter(source: probe.path, found: "unknown content")
    }
    format = probe.safetensors == nil ? "torch checkpoint" : "safetensors"
    self.source = source
    files = source.tensors.map { _ in Paths.name(of: probe.path) }
    shardCount = 1
    metadata = probe.safetensors?.header.metadata ?? []
    self.warnings = warnings
  }
}

/// The tensors at a path, an adapter's or a checkpoint's, as they are stored.
public enum StoredTensors {
  /// Opens a file, an adapter's folder or a checkpoint's folder.
  ///
  /// - Throws: errors of the formats.
  public static func open(path: String) throws -> any TensorSource {
    let probe = try InputProbe(path: path)
    if let tensors = probe.tensors { return tensors.source }
    func tensors(_ names: [String]) throws -> (any TensorSource)? {
      guard let name = names.first(where: probe.entries.contains) else { return nil }
      return try InputProbe(path: Paths.join(path, name)).tensors?.source
    }
    // In the order in which adapters are recognised, and a checkpoint as it is opened elsewhere.
    if try PEFTFolder.matches(probe), let source = try tensors(PEFTFolder.fileNames) {
      return source
    }
    let isCheckpoint = probe.entries.contains {
      $0.hasSuffix(".safetensors") || $0.hasSuffix(".safetensors.index.json")
    }
    if try PublishedCheckpoint.matches(probe) || !isCheckpoint,
      let source = try tensors(PublishedCheckpoint.fileNames)
    {
      return source
    }
    return try ShardedCheckpoint(folder: path)
  }
}
