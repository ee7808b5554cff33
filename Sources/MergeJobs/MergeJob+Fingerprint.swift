internal import Activations
internal import Adapters
public import ByteIO
internal import FoldJobs
internal import HDF5
internal import Safetensors
internal import Tensors

extension MergeJob {
  /// A text in which two jobs differ wherever what they write could.
  static func fingerprint(_ request: MergeRequest, _ inputs: JSONValue) -> String {
    var request = request.absolute
    request.replacing = false
    let text = JSONValue.members([
      "tool": .string(FoldJob.toolVersion), "merge": request.json, "inputs": inputs,
    ]).serialized()
    return SHA256Hasher.digest(of: Array(text.utf8)).hexadecimal
  }

  static func inputs(
    _ request: MergeRequest, _ adapter: Adapter, _ activations: ActivationFile,
    _ base: BaseShards?, _ machine: FoldMachine
  ) throws -> JSONValue {
    .members([
      "base": .array(
        (base?.shards ?? []).map { shard in
          .members([
            "name": .string(Paths.name(of: shard.label)), "size": .integer(shard.size),
            "changed": .integer(shard.changeTime),
            "header_sha256": .string(SHA256Hasher.digest(of: shard.header.text).hexadecimal),
          ])
        }),
      "adapter": .array(
        try files(of: adapter, request).map { path in
          .members([
            "name": .string(Paths.name(of: path)),
            "sha256": .string(try SHA256Hasher.digest(ofFile: path).hexadecimal),
          ])
        }),
      "activations": .array(
        try activations.files.map { path in
          let file = try ReadableFile(path: path)
          let content =
            activations.files.count == 1
            ? activations : try ActivationFile(path: path, hdf5: machine.hdf5)
          return .members([
            "name": .string(Paths.name(of: path)), "size": .integer(file.size),
            "changed": .integer(file.changeTime),
            "header_sha256": .string(
              SHA256Hasher.digest(of: Array(content.listing.serialized().utf8)).hexadecimal),
          ])
        }),
    ])
  }

  /// The files of an adapter, configs beside them, and what is stated of it.
  static func files(of adapter: Adapter, _ request: MergeRequest) throws -> [String] {
    var others = adapter.files.map(Paths.parent(of:)).uniqued.flatMap { folder in
      ["adapter_config.json", "reslora_config.json"].map { Paths.join(folder, $0) }
    }
    for path in [request.stated.windows, request.stated.topology].compactMap({ $0 }) {
      others +=
        try Paths.kind(of: path) == .folder
        ? Paths.entries(of: path).map { Paths.join(path, $0) } : [path]
    }
    return try adapter.files
      + others.uniqued.filter { try !adapter.files.contains($0) && Paths.kind(of: $0) == .file }
  }

  /// What of the inputs is not what it was; nil where all is.
  public func change(since old: JSONValue) -> String? {
    let new = inputs
    func files(_ inputs: JSONValue, _ key: String) -> [JSONValue] {
      inputs.object?[key]?.array ?? []
    }
    for (key, owner, what) in [
      ("base", "the base's", " (size, time or header)"), ("adapter", "the adapter's", ""),
      ("activations", "the captured inputs'", " (size, time or header)"),
    ] {
      let (old, new) = (files(old, key), files(new, key))
      for (before, now) in zip(old, new) where before != now {
        let name = now.object?["name"]?.string ?? ""
        return "\(owner) '\(name.escapedForTerminal)'\(what)"
      }
      if old.count != new.count { return "the number of \(owner) files" }
    }
    return nil
  }
}

extension ActivationFile {
  /// What a file's header says, whatever its format.
  fileprivate var listing: JSONValue {
    .members([
      "matrices": .array(
        matrices.tensors.map { info in
          .members([
            "name": .string(info.name.string), "dtype": .string(info.dtype.rawValue),
            "shape": .array(info.shape.map(JSONValue.integer)),
          ])
        }),
      "inputs": .array(inputs.map { .array([.string($0.block.string), .integer($0.matrix)]) }),
      "metadata": .array(metadata.map { .array([.string($0.key), .string($0.value)]) }),
    ])
  }
}
