internal import ByteIO
internal import Tensors

extension PEFTModules {
  /// LoRA and DoRA of an embedding (Updates §3.4).
  func embedding(_ module: Module) throws -> WeightUpdate {
    guard let aTensor = module.tensors[.embeddingA], let bTensor = module.tensors[.embeddingB],
      module.tensors[.a] ?? module.tensors[.b] ?? module.tensors[.bBias] == nil
    else { throw AdapterError.incompletePair(source: source.label, block: module.name, pair: 0) }
    let (a, b) = (try StoredMatrix(aTensor), try StoredMatrix(bTensor))
    try a.require(a.shape.count == 2, "two extents")
    try checkRank(a.rows, of: module.name, tensor: aTensor)
    try b.require(b.shape == [b.rows, a.rows], "\([b.rows, a.rows])")
    let scaling = try finite(config.scaling(of: module.name), module)
    let magnitude = try magnitude(of: module, count: b.rows)
    let loader: WeightUpdate.Loader = { allowing in
      .product(
        PlainFactors(
          a: try b.load(allowing).scaled(by: scaling).transposed,
          b: try a.load(allowing).transposed))
    }
    return WeightUpdate(
      module: module.name, shape: [a.columns, b.rows],
      action: WeightUpdate.action(loader, magnitude, per: .column), kind: config.kindName,
      loadedElements: a.elementCount + b.elementCount + (magnitude?.elementCount ?? 0))
  }

  /// AdaLoRA (Updates §3.5).
  func adaLoRA(_ module: Module) throws -> [AdapterUpdates.Part] {
    guard let aTensor = module.tensors[.rightVectors], let bTensor = module.tensors[.leftVectors],
      let eTensor = module.tensors[.singularValues]
    else {
      throw AdapterError.missingTensor(
        source: source.label, block: module.name, expected: "lora_A, lora_B and lora_E")
    }
    let rank = config.rank(of: module.name)
    if rank == 0, [aTensor, bTensor, eTensor].allSatisfy({ $0.info.elementCount == 0 }) {
      return []
    }
    let (a, b) = (try StoredMatrix(aTensor), try StoredMatrix(bTensor))
    let e = try StoredMatrix(eTensor)
    try checkRank(a.rows, of: module.name, tensor: aTensor)
    try a.require(a.shape.count == 2, "two extents")
    try b.require(b.shape == [b.rows, a.rows], "\([b.rows, a.rows])")
    try e.require(e.shape == [a.rows, 1], "\([a.rows, 1])")
    let scaling = try finite(config.scaling(of: module.name), module)
    func update(transposed: Bool) -> WeightUpdate {
      WeightUpdate(
        module: module.name, shape: transposed ? [a.columns, b.rows] : [b.rows, a.columns],
        action: .add { allowing in
          var right = try a.load(allowing)
          let values = try e.load(allowing).values
          for row in 0..<right.rows {
            for column in 0..<right.columns { right[row, column] *= values[row] }
          }
          let left = try b.load(allowing).scaled(by: scaling)
          return .product(
            transposed
              ? PlainFactors(a: left.transposed, b: right.transposed)
              : PlainFactors(a: right, b: left))
        }, kind: config.kindName, loadedElements: a.elementCount + b.elementCount + e.elementCount,
        joinsKernel: !transposed)
    }
    return [.open(.orientation(config) { update(transposed: $0) })]
  }
}
