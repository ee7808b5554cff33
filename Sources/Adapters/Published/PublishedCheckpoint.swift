internal import ByteIO
internal import Tensors

/// ResLoRA checkpoints as the published training code writes them: a folder with
/// `pytorch_model_lora.bin`, or a whole model's state dict with `.loras.` keys among the others;
/// their settings in `reslora_config.json` beside them.
enum PublishedCheckpoint: AdapterFormat {
  static let name = "published ResLoRA checkpoint"

  /// The files that may hold the tensors, in the order in which they are looked for.
  static let fileNames = [
    "pytorch_model_lora.bin", "sd.pt", "model.safetensors", "pytorch_model.bin",
  ]

  static func matches(_ probe: InputProbe) throws -> Bool {
    if probe.kind == .folder {
      return probe.entries.contains(PublishedConfig.fileName)
        || probe.entries.contains(fileNames[0])
    }
    return probe.tensors?.source.tensors.contains { PublishedKeys.matches($0.name) } ?? false
  }

  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? {
    try check.attempt(nil) { try read(probe) }
  }

  private static func read(_ probe: InputProbe) throws -> UncheckedAdapter {
    guard probe.kind == .folder else { return try read(file: probe, label: probe.path) }
    guard let name = fileNames.first(where: probe.entries.contains) else {
      throw AdapterError.unstated(
        source: probe.path, what: "adapter's tensors",
        advice: "expected one of \(fileNames.joined(separator: ", ")) beside the config")
    }
    return try read(file: probe.entry(name), label: probe.path)
  }

  private static func read(file: InputProbe, label: String) throws -> UncheckedAdapter {
    guard let (source, keepsOrder, warnings) = file.tensors else {
      throw AdapterError.notAnAdapter(
        source: file.path, found: "neither safetensors nor torch.save")
    }
    let keys = PublishedKeys(of: source)
    guard !keys.modules.isEmpty else { throw AdapterError.noBlocks(source: file.path) }
    guard let config = try PublishedConfig.find(in: Paths.parent(of: file.path)) else {
      throw AdapterError.unstated(
        source: file.path, what: "scaling and structure",
        advice: "put the \(PublishedConfig.fileName) of the training run beside it")
    }
    let blocks = try keys.modules.map { try block($0, source, config) }
    let links = PublishedTopology(
      modules: blocks.map { ($0.name, $0.inFeatures, $0.outFeatures) },
      letters: config.targetLetters, keepsOrder: keepsOrder)
    var notes = warnings
    if !keys.strippedPrefix.isEmpty {
      notes.append("took the prefix '\(keys.strippedPrefix)' off all block names")
    }
    if !keys.others.isEmpty {
      let count = keys.others.count
      notes.append(
        "\(count) other \(count == 1 ? "tensor in the file is" : "tensors in the file are") "
          + "no part of the adapter")
    }
    return UncheckedAdapter(
      label: label, format: name, blocks: links.order.map { blocks[$0] },
      previous: links.order.map { position in links.previous[position].map { blocks[$0].name } },
      structure: config.structure, reach: config.reach, isInferred: true,
      windowCapacity: config.windowCapacity, notes: notes)
  }

  private static func block(
    _ module: PublishedKeys.Module, _ source: any TensorSource, _ config: PublishedConfig
  ) throws -> Block {
    var a: [TensorReference] = []
    var b: [TensorReference] = []
    for (expected, pair) in module.pairs.keys.sorted().enumerated() {
      guard pair == expected, let pairs = module.pairs[pair], let first = pairs.a,
        let second = pairs.b
      else {
        throw AdapterError.incompletePair(source: source.label, block: module.name, pair: expected)
      }
      a.append(TensorReference(source: source, index: first))
      b.append(TensorReference(source: source, index: second))
    }
    let down = try Factor(a, join: .rows)
    let up = try Factor(b, join: .columns)
    for (reference, rank) in zip(a, down.ranks) where rank != config.rank {
      throw config.file.failure(
        .contradicts(
          key: "rank", found: config.rank, tensor: reference.info.name, expected: rank))
    }
    return try Block(name: module.name, a: down, b: up, scaling: config.scaling)
  }
}
