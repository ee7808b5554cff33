internal import ByteIO
internal import Tensors

/// An adapter as mlx_lm saves it: `adapter_config.json` and `adapters.safetensors` (Updates §7.1).
enum MLXFolder: AdapterFormat {
  static let name = "MLX folder"

  static let fileNames = ["adapters.safetensors"]

  static func matches(_ probe: InputProbe) throws -> Bool {
    guard probe.kind == .folder, probe.entries.contains(MLXConfig.fileName) else { return false }
    let path = Paths.join(probe.path, MLXConfig.fileName)
    guard try Paths.kind(of: path) == .file else { return false }
    // A broken config is for PEFT's reader to complain of.
    guard let file = try? SidecarFile(path: path) else { return false }
    return MLXConfig.matches(file)
  }

  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? {
    try check.attempt(nil) { try read(probe) }
  }

  private static func read(_ probe: InputProbe) throws -> UncheckedAdapter {
    let found = try MLXModules(probe)
    if let (kind, module) = found.firstNotPlain {
      throw AdapterError.foldOnly(source: probe.path, kind: kind, module: module)
    }
    let pairs = try found.modules.map { try found.pair(of: $0) }
    // Checked before transposing.
    for (a, b) in pairs {
      _ = try Factor([a], join: .rows)
      _ = try Factor([b], join: .rows)
    }
    let items = try pairs.flatMap { a, b in
      [
        try ComputedTensors.Item.transposed(a, name: a.info.name),
        try ComputedTensors.Item.transposed(b, name: b.info.name),
      ]
    }
    let source = try ComputedTensors(label: found.source.label, items)
    let blocks = try found.modules.enumerated().map { position, module in
      func factor(_ offset: Int, _ join: Factor.Join) throws -> Factor {
        try Factor([TensorReference(source: source, index: 2 * position + offset)], join: join)
      }
      return try Block(
        name: module.name, a: factor(0, .rows), b: factor(1, .columns), scaling: found.config.scale)
    }
    return UncheckedAdapter(
      label: probe.path, format: name, blocks: blocks, previous: blocks.map { _ in nil },
      structure: .plain, provenance: Provenance(baseModel: found.config.baseModel),
      notes: found.warnings)
  }
}

/// The tensors of an MLX folder by module.
struct MLXModules {
  /// What a tensor is beside its module.
  enum Role: String, CaseIterable {
    case a = "lora_a"
    case b = "lora_b"
    case magnitude = "m"
  }

  /// The tensors beside one module.
  struct Module {
    let name: TensorName
    let tensors: [Role: TensorReference]
  }

  let config: MLXConfig
  /// The file with the tensors.
  let source: any TensorSource
  /// What its reader warns of.
  let warnings: [String]
  /// In module order; none where whole weights were trained.
  let modules: [Module]

  /// - Throws: `AdapterError`, `SidecarError` that lists all unexpected tensors, errors of formats.
  init(_ probe: InputProbe) throws {
    config = try MLXConfig(SidecarFile(path: Paths.join(probe.path, MLXConfig.fileName)))
    guard let fileName = MLXFolder.fileNames.first(where: probe.entries.contains) else {
      throw AdapterError.unstated(
        source: probe.path, what: "adapter's tensors",
        advice: "expected \(MLXFolder.fileNames[0]) beside the config")
    }
    guard let (source, _, warnings) = try probe.entry(fileName).tensors, !source.tensors.isEmpty
    else { throw AdapterError.noBlocks(source: probe.path) }
    self.source = source
    self.warnings = warnings
    guard config.kind != .full else {
      modules = []
      return
    }
    var tensors: [TensorName: [Role: TensorReference]] = [:]
    var unexpected: [TensorName] = []
    for (index, info) in source.tensors.enumerated() {
      let parts = info.name.string.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count > 1, let role = parts.last.flatMap({ Role(rawValue: String($0)) }),
        role != .magnitude || config.kind == .dora
      else {
        unexpected.append(info.name)
        continue
      }
      let module = TensorName(parts.dropLast().joined(separator: "."))
      tensors[module, default: [:]][role] = TensorReference(source: source, index: index)
    }
    guard unexpected.isEmpty else {
      throw SidecarError(path: source.label, reason: .unexpectedTensors(unexpected))
    }
    modules = tensors.map { Module(name: $0, tensors: $1) }
      .sorted { ModuleOrder.precedes($0.name, $1.name) }
  }

  /// A module's A [in, r] and B [r, out].
  func pair(of module: Module) throws -> (a: TensorReference, b: TensorReference) {
    guard let a = module.tensors[.a], let b = module.tensors[.b] else {
      throw AdapterError.incompletePair(source: source.label, block: module.name, pair: 0)
    }
    return (a, b)
  }

  /// The first thing in the adapter that is no pair on a linear layer: its kind, and where.
  var firstNotPlain: (kind: String, module: TensorName)? {
    if config.kind == .full { return ("a saved weight", source.tensors[0].name) }
    if config.kind == .dora { return modules.first.map { ("a DoRA", $0.name) } }
    for module in modules {
      if module.isEmbedding { return ("a LoRA of an embedding", module.name) }
      if module.tensors[.b]?.info.shape.count == 3 {
        return ("a LoRA of stacked experts", module.name)
      }
    }
    return nil
  }
}

extension MLXModules.Module {
  /// Whether the name is one that embeddings have: the pair of an embedding [vocab, r] x [r, dim]
  /// looks like that of a layer [in, r] x [r, out].
  var isEmbedding: Bool {
    let last = name.string.split(separator: ".").last.map(String.init) ?? ""
    return last == "wte" || last == "wpe" || last.contains("embed")
  }
}
