internal import ByteIO
internal import Tensors

/// An adapter as PEFT saves it: `adapter_config.json` and `adapter_model.safetensors` or `.bin`
/// (Updates §2). What is not a plain LoRA of linear layers is read as updates only.
enum PEFTFolder: AdapterFormat {
  static let name = "PEFT folder"

  static let fileNames = ["adapter_model.safetensors", "adapter_model.bin"]

  static func matches(_ probe: InputProbe) throws -> Bool {
    // mlx_lm gives its config the same name.
    try probe.kind == .folder && probe.entries.contains(PEFTConfig.fileName)
      && !MLXFolder.matches(probe)
  }

  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? {
    try check.attempt(nil) { try read(probe) }
  }

  private static func read(_ probe: InputProbe) throws -> UncheckedAdapter {
    let found = try PEFTModules(probe)
    if let (kind, module) = found.firstNotPlain {
      throw AdapterError.foldOnly(source: probe.path, kind: kind, module: module)
    }
    let blocks = try found.modules.map { module in
      let (a, b) = try found.pair(of: module)
      let down = try Factor([a], join: .rows)
      let up = try Factor([b], join: .columns)
      try found.checkRank(down.rows, of: module.name, tensor: a)
      return try Block(
        name: module.name, a: down, b: up, scaling: found.config.scaling(of: module.name))
    }
    return UncheckedAdapter(
      label: probe.path, format: name, blocks: blocks, previous: blocks.map { _ in nil },
      structure: .plain, provenance: Provenance(baseModel: found.config.baseModel),
      notes: found.warnings)
  }
}

extension PEFTModules {
  /// A module's A and B.
  func pair(of module: Module) throws -> (a: TensorReference, b: TensorReference) {
    guard let a = module.tensors[.a], let b = module.tensors[.b] else {
      throw AdapterError.incompletePair(source: source.label, block: module.name, pair: 0)
    }
    return (a, b)
  }

  /// Refuses a tensor whose rank is not the config's.
  func checkRank(
    _ found: Int, of module: TensorName, tensor: TensorReference
  ) throws {
    let expected = config.rank(of: module)
    guard found == expected else {
      throw config.file.failure(
        .contradicts(
          key: config.rankKey, found: expected, tensor: tensor.info.name, expected: found))
    }
  }

  /// The first thing in the adapter that is no pair on a linear layer: its kind, and where.
  var firstNotPlain: (kind: String, module: TensorName)? {
    for module in modules {
      if let kind = kindBeyondPlain(module) { return (kind, module.name) }
    }
    if let module = savedWeights.keys.min(by: ModuleOrder.precedes) {
      return ("a LoRA of a weight that is saved with it", module)
    }
    return replacements.first.map { ("a \($0.kind)", $0.name) }
  }

  /// What a module's adapter is, with its article; nil for a plain pair on a linear layer.
  private func kindBeyondPlain(_ module: Module) -> String? {
    switch config.kind {
    case .adaLoRA: return "an AdaLoRA"
    case .loHa: return "a LoHa"
    case .loKr: return "a LoKr"
    case .lora: break
    }
    if config.usesMagnitudes { return "a DoRA" }
    if module.tensors[.embeddingA] ?? module.tensors[.embeddingB] != nil {
      return "a LoRA of an embedding"
    }
    if config.hasLoRABias { return "a LoRA with a bias" }
    if isTarget(module) { return "a LoRA of a parameter or of stacked experts" }
    if (module.tensors[.a]?.info.shape.count ?? 2) > 2 { return "a LoRA of a convolution" }
    if config.storesTransposed { return "a LoRA of a transposed weight (fan_in_fan_out)" }
    return nil
  }
}
