internal import ByteIO
internal import Tensors

extension PEFTModules {
  /// What the tensors beside a module do; nothing where AdaLoRA left no rank.
  func parts(of module: Module) throws -> [AdapterUpdates.Part] {
    switch config.kind {
    case .lora:
      return module.tensors[.embeddingA] ?? module.tensors[.embeddingB] != nil
        ? [.certain(try embedding(module))] : try layer(module)
    case .adaLoRA: return try adaLoRA(module)
    case .loHa:
      let shape = try LycorisTensors(module.tensors, module: module.name, source: source.label)
      return [
        .certain(
          try shape.loHa(scaling: config.scaling(of: module.name)) { rank, tensor in
            try checkRank(rank, of: module.name, tensor: tensor)
          })
      ]
    case .loKr:
      let shape = try LycorisTensors(module.tensors, module: module.name, source: source.label)
      return [
        .certain(
          try shape.loKr(scaling: config.scaling(of: module.name)) { rank, tensor in
            try checkRank(rank, of: module.name, tensor: tensor)
          })
      ]
    }
  }

  /// LoRA, rsLoRA and DoRA of a linear layer or a convolution (Updates §3.1 to §3.3).
  private func layer(_ module: Module) throws -> [AdapterUpdates.Part] {
    let (aTensor, bTensor) = try pair(of: module)
    let (a, b) = (try StoredMatrix(aTensor), try StoredMatrix(bTensor))
    try a.require(a.shape.count >= 2, "two extents or more")
    try checkRank(a.rows, of: module.name, tensor: aTensor)
    let kernel = [Int](repeating: 1, count: a.shape.count - 2)
    // Of a convolution in groups B has fewer columns than A has rows.
    try b.require(
      b.shape == [b.rows, a.rows] + kernel,
      "\([b.rows, a.rows] + kernel) as '\(aTensor.info.name)' has \(a.rows) rows; grouped convolutions are not read"
    )
    let scaling = try finite(config.scaling(of: module.name), module)
    let magnitude = try magnitude(of: module, count: b.rows)
    func update(transposed: Bool) -> WeightUpdate {
      let shape = transposed ? [a.columns, b.rows] : [b.rows] + a.shape.dropFirst()
      let loader: WeightUpdate.Loader = { allowing in
        let (a, b) = (try a.load(allowing), try b.load(allowing).scaled(by: scaling))
        return .product(
          transposed
            ? PlainFactors(a: b.transposed, b: a.transposed) : PlainFactors(a: a, b: b))
      }
      return WeightUpdate(
        module: module.name, shape: shape,
        action: WeightUpdate.action(loader, magnitude, per: transposed ? .column : .row),
        kind: config.kindName,
        loadedElements: a.elementCount + b.elementCount + (magnitude?.elementCount ?? 0))
    }
    var parts: [AdapterUpdates.Part] = []
    if a.shape.count == 2 {
      parts.append(.open(.orientation(config) { update(transposed: $0) }))
    } else {
      parts.append(.certain(update(transposed: false)))
    }
    if config.hasLoRABias { parts.append(.certain(try bias(module, count: b.rows, scaling))) }
    return parts
  }

  /// `b += s β` of a LoRA with a bias (Updates §3.1).
  private func bias(
    _ module: Module, count: Int, _ scaling: Double
  ) throws -> WeightUpdate {
    guard let tensor = module.tensors[.bBias] else {
      throw AdapterError.missingTensor(
        source: source.label, block: module.name, expected: "lora_B.bias, as lora_bias is set")
    }
    let bias = try StoredMatrix(tensor)
    try bias.require(bias.shape == [count], "\([count])")
    return WeightUpdate(
      module: module.name, parameter: .bias, shape: [count],
      action: .add { allowing in
        let values = try bias.load(allowing).scaled(by: scaling).values
        return .dense(Matrix(rows: 1, columns: count, values: values))
      }, kind: "LoRA bias", loadedElements: count, isProduct: false)
  }

  /// A module's magnitude, one for each output; nil without DoRA.
  func magnitude(of module: Module, count: Int) throws -> StoredMatrix? {
    guard config.usesMagnitudes else { return nil }
    guard let tensor = module.tensors[.magnitude] ?? module.tensors[.magnitudeWeight] else {
      throw AdapterError.missingTensor(
        source: source.label, block: module.name,
        expected: "lora_magnitude_vector, as use_dora is set")
    }
    let magnitude = try StoredMatrix(tensor)
    // [out] of a layer, [1, out, 1, …] of a convolution.
    try magnitude.require(
      magnitude.elementCount == count && magnitude.shape.filter { $0 != 1 }.count < 2,
      "\(count) elements")
    return magnitude
  }

  /// Refuses a scaling that is none.
  func finite(_ scaling: Double, _ module: Module) throws(AdapterError) -> Double {
    guard scaling.isFinite else { throw .badScaling(block: module.name, found: scaling) }
    return scaling
  }
}

extension WeightUpdate {
  /// Adds, or with a magnitude rescales too.
  static func action(
    _ loader: @escaping Loader, _ magnitude: StoredMatrix?, per axis: Axis
  ) -> Action {
    guard let magnitude else { return .add(loader) }
    return .rescale(loader, magnitude: { try magnitude.load(false).values }, per: axis)
  }
}

extension OpenUpdates {
  /// A layer whose weight lies the way round that its config says, unless the base's shape tells
  /// otherwise: of several kinds of layers a config has only one answer.
  static func orientation(
    _ config: PEFTConfig, _ update: (_ transposed: Bool) -> WeightUpdate
  ) -> OpenUpdates {
    OpenUpdates(
      .orientation,
      [config.storesTransposed, !config.storesTransposed].map { transposed in
        let update = update(transposed)
        return Choice(updates: { [update] }, tensors: [update])
      })
  }
}
