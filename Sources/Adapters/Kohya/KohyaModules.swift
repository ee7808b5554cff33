internal import Tensors

/// The tensors of a kohya file by module, every one of them accounted for (Updates §8.1).
struct KohyaModules {
  /// The tensors beside one module.
  struct Module {
    /// The name in the file.
    let key: TensorName
    let tensors: [KohyaKeys.Role: TensorReference]
    /// The name in the base, as far as the file tells it.
    var name: TensorName { KohyaKeys.base(of: key).name }
    /// How it is spelt.
    var naming: WeightUpdate.Naming { KohyaKeys.base(of: key).naming }

    /// Its tensors of LoHa or LoKr.
    var lycoris: [PEFTKeys.Role: TensorReference] {
      var found: [PEFTKeys.Role: TensorReference] = [:]
      for (role, tensor) in tensors {
        if case .lycoris(let role) = role { found[role] = tensor }
      }
      return found
    }
  }

  let source: any TensorSource
  let warnings: [String]
  /// In module order.
  let modules: [Module]

  /// - Throws: `AdapterError`, `SidecarError` that lists all unexpected tensors.
  init(_ probe: InputProbe) throws {
    guard let (source, _, warnings) = probe.tensors else {
      throw AdapterError.noBlocks(source: probe.path)
    }
    self.source = source
    self.warnings = warnings
    var tensors: [TensorName: [KohyaKeys.Role: TensorReference]] = [:]
    var unexpected: [TensorName] = []
    for (index, info) in source.tensors.enumerated() {
      guard let (module, role) = KohyaKeys.parse(info.name) else {
        unexpected.append(info.name)
        continue
      }
      tensors[module, default: [:]][role] = TensorReference(source: source, index: index)
    }
    guard unexpected.isEmpty else {
      throw SidecarError(path: source.label, reason: .unexpectedTensors(unexpected))
    }
    modules = tensors.map { Module(key: $0, tensors: $1) }
      .sorted { ModuleOrder.precedes($0.key, $1.key) }
  }

  /// A module's down- and up-projection.
  func pair(of module: Module) throws -> (down: TensorReference, up: TensorReference) {
    guard let down = module.tensors[.down], let up = module.tensors[.up] else {
      throw AdapterError.incompletePair(source: source.label, block: module.key, pair: 0)
    }
    return (down, up)
  }

  /// `alpha / rank`, 1 where no alpha is stored.
  func scaling(of module: Module, rank: Int) throws -> Double {
    guard let tensor = module.tensors[.alpha] else { return 1 }
    let info = tensor.info
    guard info.dtype.isArithmetic else {
      throw AdapterError.unusableDType(source: source.label, tensor: info.name, found: info.dtype)
    }
    guard info.elementCount == 1 else {
      throw AdapterError.unfitTensor(
        source: source.label, tensor: info.name, found: info.shape, expected: "one element")
    }
    let scaling = try source.float64(of: tensor.index)[0] / Double(rank)
    guard scaling.isFinite else { throw AdapterError.badScaling(block: module.key, found: scaling) }
    return scaling
  }

  /// The first thing in the adapter that is no pair on a linear layer: its kind, and where.
  var firstNotPlain: (kind: String, module: TensorName)? {
    for module in modules {
      if module.tensors[.magnitude] != nil { return ("a DoRA", module.key) }
      if let role = module.lycoris.keys.first {
        return (role.rawValue.hasPrefix("hada") ? "a LoHa" : "a LoKr", module.key)
      }
      if module.tensors[.mid] != nil || (module.tensors[.down]?.info.shape.count ?? 2) > 2 {
        return ("a LoRA of a convolution", module.key)
      }
    }
    return nil
  }

  /// What a user should know of the names.
  var notes: [String] {
    guard modules.contains(where: { $0.naming == .flattened }) else { return warnings }
    return warnings + [
      "module names have underscores for dots, as kohya writes them: fold finds the weights that "
        + "they mean"
    ]
  }
}
