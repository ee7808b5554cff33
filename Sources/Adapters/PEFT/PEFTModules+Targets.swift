internal import Tensors

/// Adapted parameters instead of modules, stacks of experts above all (Updates §3.7).
///
/// PEFT wraps the module once for each parameter, one wrapper in the other, and saves the wrappers'
/// nesting but not which parameter is whose, nor whether experts lie as [out, in] or [in, out]:
/// the base's shapes tell.
extension PEFTModules {
  /// More wrappers around one module than any model has parameters.
  private static let maximumDepth = 4

  /// Whether a module's tensors belong to a parameter of it (`target_parameters`).
  func isTarget(_ module: Module) -> Bool {
    guard config.kind == .lora, !config.targetParameters.isEmpty, module.tensors[.a] != nil else {
      return false
    }
    return !parameters(of: module).isEmpty
  }

  /// What modules that are targets do, grouped by the module they wrap.
  func targetParts(_ modules: [Module]) throws -> [AdapterUpdates.Part] {
    let groups = Dictionary(grouping: modules) { PEFTModules.unwrapped($0.name) }
    return try groups.keys.sorted(by: ModuleOrder.precedes).map { root in
      let wrappers = (groups[root] ?? []).sorted {
        $0.name.string.utf8.count < $1.name.string.utf8.count
      }
      return .open(try stack(root, wrappers))
    }
  }

  /// The parameters that a wrapper may be around, by their names in the module.
  private func parameters(of module: Module) -> [String] {
    let root = PEFTModules.unwrapped(module.name)
    return config.targetParameters.compactMap { target in
      guard let dot = target.lastIndex(of: ".") else {
        // The config names no module: what is stacked or nested is none of its own.
        let rows = module.tensors[.a]?.info.shape.first
        return module.name != root || rows != config.rank(of: root) ? target : nil
      }
      let name = String(target[..<dot])
      return root.string == name || root.string.hasSuffix("." + name)
        ? String(target[target.index(after: dot)...]) : nil
    }
  }

  /// A name without the wrappers at its end.
  private static func unwrapped(_ name: TensorName) -> TensorName {
    var text = name.string
    while text.hasSuffix(".base_layer") { text.removeLast(".base_layer".count) }
    return TensorName(text)
  }

  /// Every way to give the wrappers of a module its parameters, in both orientations.
  private func stack(_ root: TensorName, _ wrappers: [Module]) throws -> OpenUpdates {
    let parameters = wrappers.reduce(into: [String]()) { found, wrapper in
      found += self.parameters(of: wrapper).filter { !found.contains($0) }
    }
    guard wrappers.count <= parameters.count, parameters.count <= PEFTModules.maximumDepth else {
      throw config.file.failure(
        .contradicts(
          key: "target_parameters", found: parameters.count,
          tensor: wrappers[0].tensors[.a]?.info.name ?? root, expected: wrappers.count))
    }
    let factors = try wrappers.map { wrapper in
      let (a, b) = try pair(of: wrapper)
      return try ExpertFactors(a: StoredMatrix(a), b: StoredMatrix(b))
    }
    var choices: [OpenUpdates.Choice] = []
    for order in PEFTModules.orders(of: parameters, taking: wrappers.count) {
      let names = order.map { TensorName("\(root.string).\($0)") }
      let ranks = names.map { config.rank(of: $0) }
      guard zip(factors, ranks).allSatisfy({ $0.a.rows % $1 == 0 }) else { continue }
      for (factor, rank) in zip(factors, ranks) {
        try factor.a.requireExperts(factor.a.rows / rank)
      }
      let isStacked = zip(factors, ranks).contains { $0.a.rows > $1 }
      let scalings = try names.map { name in
        let scaling = config.scaling(of: name)
        guard scaling.isFinite else {
          throw AdapterError.badScaling(block: name, found: scaling)
        }
        return scaling
      }
      for transposed in isStacked ? [false, true] : [false] {
        let kind = config.kindName
        let updates: @Sendable (_ firstOnly: Bool) -> [WeightUpdate] = { firstOnly in
          factors.indices.flatMap { index in
            factors[index].updates(
              name: names[index], rank: ranks[index], scaling: scalings[index],
              transposed: transposed, kind: kind, firstOnly: firstOnly)
          }
        }
        choices.append(OpenUpdates.Choice(updates: { updates(false) }, tensors: updates(true)))
      }
    }
    guard !choices.isEmpty else {
      throw config.file.failure(
        .contradicts(
          key: "r", found: config.rank(of: root), tensor: factors[0].a.reference.info.name,
          expected: factors[0].a.rows))
    }
    return OpenUpdates(
      .parameters(
        what:
          "the base's shapes leave open which parameters its \(wrappers.count) pairs belong to, "
          + "or which way round"), choices)
  }

  /// All orders of `count` of the elements.
  private static func orders(of elements: [String], taking count: Int) -> [[String]] {
    if count == 0 { return [[]] }
    return elements.flatMap { first in
      orders(of: elements.filter { $0 != first }, taking: count - 1).map { [first] + $0 }
    }
  }
}
