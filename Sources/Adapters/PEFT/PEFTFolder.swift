internal import ByteIO
internal import Tensors

/// A plain LoRA as PEFT saves it: `adapter_config.json` and `adapter_model.safetensors` or `.bin`.
enum PEFTFolder: AdapterFormat {
  static let name = "PEFT folder"

  static let fileNames = ["adapter_model.safetensors", "adapter_model.bin"]

  static func matches(_ probe: InputProbe) throws -> Bool {
    probe.kind == .folder && probe.entries.contains(PEFTConfig.fileName)
  }

  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? {
    try check.attempt(nil) { try read(probe) }
  }

  private static func read(_ probe: InputProbe) throws -> UncheckedAdapter {
    let config = try PEFTConfig(path: Paths.join(probe.path, PEFTConfig.fileName))
    guard let fileName = fileNames.first(where: probe.entries.contains) else {
      throw AdapterError.unstated(
        source: probe.path, what: "adapter's tensors",
        advice: "expected \(fileNames[0]) beside the config")
    }
    guard let (source, _, warnings) = try probe.entry(fileName).tensors
    else { throw AdapterError.noBlocks(source: probe.path) }
    var factors: [TensorName: (a: Int?, b: Int?)] = [:]
    var unexpected: [TensorName] = []
    for (index, info) in source.tensors.enumerated() {
      guard let (module, isA) = PEFTKeys.parse(info.name) else {
        unexpected.append(info.name)
        continue
      }
      // With PEFT's prefix and without it are one module.
      let isTaken = isA ? factors[module]?.a != nil : factors[module]?.b != nil
      guard !isTaken else { throw AdapterError.duplicateBlock(module) }
      if isA {
        factors[module, default: (nil, nil)].a = index
      } else {
        factors[module, default: (nil, nil)].b = index
      }
    }
    guard unexpected.isEmpty else {
      throw SidecarError(path: source.label, reason: .unexpectedTensors(unexpected))
    }
    let modules = factors.keys.sorted(by: ModuleOrder.precedes)
    let blocks = try modules.map { module in
      guard let a = factors[module]?.a, let b = factors[module]?.b else {
        throw AdapterError.incompletePair(source: source.label, block: module, pair: 0)
      }
      let down = try Factor([TensorReference(source: source, index: a)], join: .rows)
      let up = try Factor([TensorReference(source: source, index: b)], join: .columns)
      guard down.rows == config.rank(of: module) else {
        throw config.file.failure(
          .contradicts(
            key: "r", found: config.rank(of: module), tensor: source.tensors[a].name,
            expected: down.rows))
      }
      return try Block(name: module, a: down, b: up, scaling: config.scaling(of: module))
    }
    return UncheckedAdapter(
      label: probe.path, format: name, blocks: blocks, previous: blocks.map { _ in nil },
      structure: .plain, provenance: Provenance(baseModel: config.baseModel), notes: warnings)
  }
}
