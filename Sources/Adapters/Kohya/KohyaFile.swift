internal import ByteIO
internal import Tensors

/// One file as kohya's scripts and LyCORIS write it (Updates §8.1).
enum KohyaFile: AdapterFormat {
  static let name = "kohya file"

  static func matches(_ probe: InputProbe) throws -> Bool {
    probe.tensors?.source.tensors.contains { KohyaKeys.isTelling($0.name) } ?? false
  }

  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? {
    try check.attempt(nil) { try read(probe) }
  }

  private static func read(_ probe: InputProbe) throws -> UncheckedAdapter {
    let found = try KohyaModules(probe)
    if let (kind, module) = found.firstNotPlain {
      throw AdapterError.foldOnly(source: probe.path, kind: kind, module: module)
    }
    let blocks = try found.modules.map { module in
      let (down, up) = try found.pair(of: module)
      let a = try Factor([down], join: .rows)
      return try Block(
        name: module.key, a: a, b: Factor([up], join: .columns),
        scaling: found.scaling(of: module, rank: a.rows))
    }
    return UncheckedAdapter(
      label: probe.path, format: name, blocks: blocks, previous: blocks.map { _ in nil },
      structure: .plain, notes: found.notes)
  }
}

extension KohyaFile: UpdateFormat {
  static func updates(_ probe: InputProbe) throws -> AdapterUpdates {
    let found = try KohyaModules(probe)
    return AdapterUpdates(
      label: probe.path, format: name,
      parts: try found.modules.map { .certain(try found.update(of: $0)) }, tensors: found.source,
      config: nil,
      notes: found.notes, baseModel: nil, firstNotPlain: found.firstNotPlain)
  }
}

extension KohyaModules {
  fileprivate func update(of module: Module) throws -> WeightUpdate {
    let lycoris = module.lycoris
    guard !lycoris.isEmpty else { return try lora(module) }
    guard module.tensors[.down] ?? module.tensors[.up] ?? module.tensors[.mid] == nil else {
      throw AdapterError.missingTensor(
        source: source.label, block: module.key, expected: "tensors of one kind of adapter")
    }
    guard module.tensors[.magnitude] == nil else {
      throw AdapterError.foldOnly(
        source: source.label, kind: "a LoHa or LoKr with dora_scale, which is not read yet,",
        module: module.key)
    }
    let tensors = try LycorisTensors(
      lycoris, module: module.name, source: source.label, naming: module.naming)
    if lycoris.keys.contains(where: { $0.rawValue.hasPrefix("hada") }) {
      let rank = lycoris[.hada1B]?.info.shape.first ?? 1
      return try tensors.loHa(scaling: scaling(of: module, rank: rank)) { _, _ in }
    }
    // What is whole has no rank, and then no scale.
    let rank = (lycoris[.leftB] ?? lycoris[.rightB])?.info.shape.first
    if let whole = lycoris[.right], whole.info.shape.count == 3 {
      throw AdapterError.unfitTensor(
        source: source.label, tensor: whole.info.name, found: whole.info.shape,
        expected: "two or four extents, as versions of LyCORIS differ in what three mean")
    }
    return try tensors.loKr(
      scaling: rank.map { try scaling(of: module, rank: $0) } ?? 1
    ) { _, _ in }
  }

  /// LoRA and DoRA of a linear layer or a convolution.
  private func lora(_ module: Module) throws -> WeightUpdate {
    let (downTensor, upTensor) = try pair(of: module)
    let (down, up) = (try StoredMatrix(downTensor), try StoredMatrix(upTensor))
    try down.require(down.shape.count >= 2, "two extents or more")
    let scaling = try scaling(of: module, rank: down.rows)
    let core = try module.tensors[.mid].map { try StoredMatrix($0) }
    let rank = core?.rows ?? down.rows
    try up.require(
      up.shape.count >= 2 && up.shape[1] == rank && up.columns == rank,
      "\([up.rows, rank]) and a kernel of ones")
    if let core {
      try core.require(core.shape.count > 2 && core.shape[1] == down.rows, "\([rank, down.rows])")
      try down.require(down.columns == down.shape[1], "a kernel of ones")
    }
    let columns = down.columns * (core.map { $0.columns / down.rows } ?? 1)
    try core?.requireComputable(rank * columns)
    let (magnitude, axis) = try magnitude(module, rows: up.rows, columns: columns)
    let loader: WeightUpdate.Loader = { allowing in
      let left = try up.load(allowing).scaled(by: scaling)
      let right = try down.load(allowing)
      guard let core = try core?.load(allowing) else {
        return .product(PlainFactors(a: right, b: left))
      }
      return .product(PlainFactors(a: core.contracted(with: right), b: left))
    }
    return WeightUpdate(
      module: module.name, shape: [up.rows, columns],
      action: WeightUpdate.action(loader, magnitude, per: axis),
      kind: magnitude == nil ? "LoRA" : "DoRA",
      loadedElements: rank * (up.rows + columns) + (magnitude?.elementCount ?? 0),
      joinsKernel: true, naming: module.naming)
  }

  /// `dora_scale`: [out, 1, …] for each output, [1, in] for each input.
  private func magnitude(
    _ module: Module, rows: Int, columns: Int
  ) throws -> (StoredMatrix?, WeightUpdate.Axis) {
    guard let tensor = module.tensors[.magnitude] else { return (nil, .row) }
    let magnitude = try StoredMatrix(tensor)
    if magnitude.rows == rows, magnitude.columns == 1 { return (magnitude, .row) }
    try magnitude.require(
      magnitude.shape == [1, columns], "\([rows, 1]), or \([1, columns]) of a linear layer")
    return (magnitude, .column)
  }
}
