internal import ByteIO
internal import Tensors

/// The tensors of a PEFT folder by module, every one of them accounted for (Updates §2.1).
struct PEFTModules {
  /// The tensors beside one module.
  struct Module {
    let name: TensorName
    let tensors: [PEFTKeys.Role: TensorReference]

    /// Whether it has these tensors and no others.
    func has(_ roles: PEFTKeys.Role...) -> Bool { Set(tensors.keys) == Set(roles) }
  }

  /// A tensor that takes the place of one of the base.
  struct Replacement {
    /// The base's tensor, as the adapter names it.
    let name: TensorName
    let tensor: TensorReference
    /// What it is, for reports: "saved module", "saved bias".
    let kind: String
  }

  let config: PEFTConfig
  /// The file with the tensors.
  let source: any TensorSource
  /// What its reader warns of.
  let warnings: [String]
  /// In module order.
  let modules: [Module]
  /// In module order.
  let replacements: [Replacement]
  /// Weights that are saved though their modules are adapted, by module: the delta adds to these
  /// and not to the base's.
  let savedWeights: [TensorName: TensorReference]

  /// - Throws: `AdapterError`, `SidecarError` that lists all unexpected tensors, errors of formats.
  init(_ probe: InputProbe) throws {
    config = try PEFTConfig(path: Paths.join(probe.path, PEFTConfig.fileName))
    guard let fileName = PEFTFolder.fileNames.first(where: probe.entries.contains) else {
      throw AdapterError.unstated(
        source: probe.path, what: "adapter's tensors",
        advice: "expected \(PEFTFolder.fileNames[0]) beside the config")
    }
    guard let (source, _, warnings) = try probe.entry(fileName).tensors
    else { throw AdapterError.noBlocks(source: probe.path) }
    self.source = source
    self.warnings = warnings

    let roles = config.expectedRoles
    var tensors: [TensorName: [PEFTKeys.Role: TensorReference]] = [:]
    var replacements: [TensorName: Replacement] = [:]
    var savedWeights: [TensorName: TensorReference] = [:]
    var unexpected: [TensorName] = []
    let parsed = source.tensors.map { PEFTKeys.parse($0.name) }
    let adapted = Set(parsed.compactMap { $0?.module })
    for (index, info) in source.tensors.enumerated() {
      let reference = TensorReference(source: source, index: index)
      if let (module, role) = parsed[index], roles.contains(role) {
        // With PEFT's prefix and without it are one module.
        guard tensors[module, default: [:]].updateValue(reference, forKey: role) == nil else {
          throw AdapterError.duplicateBlock(module)
        }
      } else if let module = PEFTKeys.savedWeight(info.name), adapted.contains(module) {
        guard savedWeights.updateValue(reference, forKey: module) == nil else {
          throw AdapterError.duplicateBlock(module)
        }
      } else if let (name, kind) = config.replacement(info.name, adapted: adapted) {
        let replacement = Replacement(name: name, tensor: reference, kind: kind)
        guard replacements.updateValue(replacement, forKey: name) == nil else {
          throw AdapterError.duplicateBlock(name)
        }
      } else {
        unexpected.append(info.name)
      }
    }
    guard unexpected.isEmpty else {
      throw SidecarError(path: source.label, reason: .unexpectedTensors(unexpected))
    }
    modules = tensors.map { Module(name: $0, tensors: $1) }
      .sorted { ModuleOrder.precedes($0.name, $1.name) }
    self.savedWeights = savedWeights
    self.replacements = replacements.values.sorted { ModuleOrder.precedes($0.name, $1.name) }
  }
}

extension PEFTConfig {
  /// What tensors there may be beside a module.
  fileprivate var expectedRoles: Set<PEFTKeys.Role> {
    switch kind {
    case .lora:
      var roles: Set<PEFTKeys.Role> = [.a, .b, .embeddingA, .embeddingB]
      if usesMagnitudes { roles.formUnion([.magnitude, .magnitudeWeight]) }
      if hasLoRABias { roles.insert(.bBias) }
      return roles
    case .adaLoRA: return [.rightVectors, .leftVectors, .singularValues]
    case .loHa: return [.hada1A, .hada1B, .hada2A, .hada2B, .hada1T, .hada2T]
    case .loKr: return [.left, .leftA, .leftB, .right, .rightA, .rightB, .rightT]
    }
  }

  /// The layers whose weight PEFT saves without being asked: resized embeddings.
  private static let embeddings: Set<String> = ["embed_tokens", "lm_head"]

  /// The base's tensor that a tensor of this name replaces, and as what; nil where the config says
  /// of none.
  fileprivate func replacement(
    _ name: TensorName, adapted: Set<TensorName>
  ) -> (name: TensorName, kind: String)? {
    var parts = PEFTKeys.module(of: name).string.split(
      separator: ".", omittingEmptySubsequences: false)
    let isWrapped = parts.contains("base_layer")
    parts.removeAll { $0 == "base_layer" || $0 == "modules_to_save" }
    let plain = TensorName(parts.joined(separator: "."))
    guard let parameter = parts.popLast(), !parts.isEmpty else { return nil }
    let module = TensorName(parts.joined(separator: "."))
    // PEFT takes every module whose name ends in the text, and saves all below it.
    var ancestor = ""
    for part in parts {
      ancestor += ancestor.isEmpty ? String(part) : "." + part
      if savedModules.contains(where: ancestor.hasSuffix) { return (plain, "saved module") }
    }
    if parameter == "bias", bias == .all || bias == .loraOnly && adapted.contains(module) {
      return (plain, "saved bias")
    }
    if parameter == "weight", !isWrapped, let last = parts.last,
      PEFTConfig.embeddings.contains(String(last)), !adapted.contains(module)
    {
      return (plain, "saved embedding")
    }
    return nil
  }
}
