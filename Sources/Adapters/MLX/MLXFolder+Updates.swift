internal import ByteIO
internal import Tensors

extension MLXFolder: UpdateFormat {
  static func updates(_ probe: InputProbe) throws -> AdapterUpdates {
    let found = try MLXModules(probe)
    let parts: [AdapterUpdates.Part] =
      found.config.kind == .full
      ? try found.source.tensors.indices.map { .certain(try found.saved($0)) }
      : try found.modules.flatMap { try found.parts(of: $0) }
    return AdapterUpdates(
      label: probe.path, format: name, parts: parts, tensors: found.source,
      config: found.config.file.path,
      notes: found.warnings, baseModel: found.config.baseModel, firstNotPlain: found.firstNotPlain)
  }
}

extension MLXModules {
  /// A weight that was trained whole.
  fileprivate func saved(_ index: Int) throws -> WeightUpdate {
    let info = source.tensors[index]
    guard info.dtype.isArithmetic else {
      throw AdapterError.unusableDType(
        source: source.label, tensor: info.name, found: info.dtype)
    }
    return WeightUpdate(
      module: info.name, parameter: .itself, shape: info.shape,
      action: .replace(TensorReference(source: source, index: index)), kind: "saved weight",
      loadedElements: 0)
  }

  fileprivate func parts(of module: Module) throws -> [AdapterUpdates.Part] {
    let (aTensor, bTensor) = try pair(of: module)
    let (a, b) = (try StoredMatrix(aTensor), try StoredMatrix(bTensor))
    if b.shape.count == 3 { return try experts(module, a, b).map { .certain($0) } }
    try a.require(
      a.shape.count == 2 && a.columns == config.rank ?? a.columns, "rank \(config.rank ?? 0)")
    try b.require(b.shape == [a.columns, b.columns], "\([a.columns, b.columns])")
    let scale = config.scale
    func update(isEmbedding: Bool) throws -> WeightUpdate {
      let shape = isEmbedding ? [a.rows, b.columns] : [b.columns, a.rows]
      let magnitude = try magnitude(of: module, count: shape[0])
      let loader: WeightUpdate.Loader = { allowing in
        let (a, b) = (try a.load(allowing), try b.load(allowing).scaled(by: scale))
        return .product(
          isEmbedding ? PlainFactors(a: b, b: a) : PlainFactors(a: a.transposed, b: b.transposed))
      }
      return WeightUpdate(
        module: module.name, shape: shape,
        action: WeightUpdate.action(loader, magnitude, per: .row),
        kind: magnitude == nil ? "LoRA" : "DoRA",
        loadedElements: a.elementCount + b.elementCount + (magnitude == nil ? 0 : shape[0]))
    }
    // The magnitude's length tells as well; else the name, unless the base's shape knows better.
    let meanings = [module.isEmbedding, !module.isEmbedding].compactMap { isEmbedding in
      try? update(isEmbedding: isEmbedding)
    }
    guard !meanings.isEmpty else { return [.certain(try update(isEmbedding: module.isEmbedding))] }
    return [
      .open(
        OpenUpdates(
          .embedding,
          meanings.map { update in
            OpenUpdates.Choice(updates: { [update] }, tensors: [update])
          }))
    ]
  }

  /// Stacked experts: A [E, r, in], or [E·r, in] of older versions, and B [E, out, r].
  private func experts(
    _ module: Module, _ a: StoredMatrix, _ b: StoredMatrix
  ) throws -> [WeightUpdate] {
    guard config.kind == .lora else {
      throw config.file.failure(
        .unsupported(
          "fine_tune_type is 'dora' and '\(module.name)' has experts",
          advice: "mlx_lm has no such adapter"))
    }
    let (count, out, rank) = (b.shape[0], b.shape[1], b.shape[2])
    try b.requireExperts(count)
    let inputs = a.shape[a.shape.count - 1]
    try a.require(
      a.shape == [count, rank, inputs] || a.shape == [count * rank, inputs],
      "\([count, rank, inputs])")
    let scale = config.scale
    let rowsOfA = a.shape.count == 3 ? 1 : rank
    return (0..<count).map { expert in
      WeightUpdate(
        module: module.name, shape: [count, out, inputs], expert: expert,
        action: .add { allowing in
          let right = try a.values(rows: (expert * rowsOfA)..<((expert + 1) * rowsOfA))
          let left = try b.values(rows: expert..<(expert + 1))
          try a.check(right, allowing)
          try b.check(left, allowing)
          return .product(
            PlainFactors(
              a: Matrix(rows: rank, columns: inputs, values: right),
              b: Matrix(rows: out, columns: rank, values: left).scaled(by: scale)))
        }, kind: "LoRA", loadedElements: rank * (inputs + out))
    }
  }

  private func magnitude(of module: Module, count: Int) throws -> StoredMatrix? {
    guard config.kind == .dora else { return nil }
    guard let tensor = module.tensors[.magnitude] else {
      throw AdapterError.missingTensor(
        source: source.label, block: module.name, expected: "m, as fine_tune_type is 'dora'")
    }
    let magnitude = try StoredMatrix(tensor)
    try magnitude.require(magnitude.shape == [count], "\([count])")
    return magnitude
  }
}
