internal import Tensors

/// The tensors of LoHa and LoKr beside one module, as PEFT and LyCORIS name them (Updates §3.6).
struct LycorisTensors {
  typealias Role = PEFTKeys.Role
  /// Refuses a rank that is not the stated one.
  typealias RankCheck = (_ rank: Int, _ tensor: TensorReference) throws -> Void

  private let tensors: [Role: StoredMatrix]
  private let module: TensorName
  private let source: String
  private let naming: WeightUpdate.Naming

  init(
    _ tensors: [Role: TensorReference], module: TensorName, source: String,
    naming: WeightUpdate.Naming = .dotted
  ) throws {
    self.tensors = try tensors.mapValues { try StoredMatrix($0) }
    self.module = module
    self.source = source
    self.naming = naming
  }

  /// `(W1a W1b) ∘ (W2a W2b)`, of a convolution possibly with cores.
  func loHa(scaling: Double, _ check: RankCheck) throws -> WeightUpdate {
    let hasCores = tensors[.hada1T] ?? tensors[.hada2T] != nil
    let first = try factors(.hada1A, .hada1B, hasCores ? .hada1T : nil, check)
    let second = try factors(.hada2A, .hada2B, hasCores ? .hada2T : nil, check)
    try second.check(isSizeOf: first)
    return WeightUpdate(
      module: module, shape: [first.rows, first.columns],
      action: .add { allowing in
        WeightDelta.hadamard(try first.load(allowing), try second.load(allowing))
          .scaled(by: scaling)
      }, kind: "LoHa", loadedElements: first.loadedElements + second.loadedElements,
      isProduct: false, joinsKernel: true, naming: naming)
  }

  /// `W1 ⊗ W2`, each whole or of two factors, W2 of a convolution possibly with a core.
  func loKr(scaling: Double, _ check: RankCheck) throws -> WeightUpdate {
    let left = try part(.left, .leftA, .leftB, nil, check)
    let right = try part(.right, .rightA, .rightB, .rightT, check)
    // A whole W2 with one extent of a kernel meets PEFT's product of two and three extents, which
    // lays out the elements in another way.
    if let whole = tensors[.right], whole.shape.count == 3 {
      return try interleaved(left, whole, scaling)
    }
    return WeightUpdate(
      module: module, shape: [left.rows * right.rows, left.columns * right.columns],
      action: .add { allowing in
        WeightDelta.kronecker(left: try left.matrix(allowing), right: try right.matrix(allowing))
          .scaled(by: scaling)
      }, kind: "LoKr", loadedElements: left.loadedElements + right.loadedElements,
      isProduct: false, joinsKernel: true, naming: naming)
  }

  /// What PEFT computes of W1 [a, b] and W2 [c, d, k]: the elements of an array [c, a d, b k] in
  /// their order, taken as [a c, b d, k].
  private func interleaved(
    _ left: Part, _ right: StoredMatrix, _ scaling: Double
  ) throws -> WeightUpdate {
    let (a, b) = (left.rows, left.columns)
    let (c, d, k) = (right.shape[0], right.shape[1], right.shape[2])
    try right.requireComputable(a * b * c * d * k)
    return WeightUpdate(
      module: module, shape: [a * c, b * d, k],
      action: .add { allowing in
        let w1 = try left.matrix(allowing)
        let w2 = try right.load(allowing)
        var values: [Double] = []
        values.reserveCapacity(a * b * c * d * k)
        for x in 0..<c {
          for y in 0..<(a * d) {
            for z in 0..<(b * k) {
              values.append(scaling * w1[y / d, z / k] * w2[x, (y % d) * k + z % k])
            }
          }
        }
        return .dense(Matrix(rows: a * c, columns: b * d * k, values: values))
      }, kind: "LoKr", loadedElements: a * b * c * d * k, isProduct: false, naming: naming)
  }
}

extension LycorisTensors {
  /// Two factors, or two factors around a core.
  private struct Factors {
    let a: StoredMatrix
    let b: StoredMatrix
    let core: StoredMatrix?

    var rows: Int { core == nil ? a.rows : a.columns }
    var columns: Int { core.map { b.columns * ($0.columns / $0.shape[1]) } ?? b.columns }
    var loadedElements: Int {
      a.elementCount + (core == nil ? b.elementCount : a.rows * columns)
    }

    func check(isSizeOf other: Factors) throws(AdapterError) {
      try a.require(rows == other.rows, "\(other.rows) outputs")
      try b.require(columns == other.columns, "\(other.columns) inputs")
    }

    func load(_ allowing: Bool) throws -> PlainFactors {
      let (a, b) = (try a.load(allowing), try b.load(allowing))
      guard let core = try core?.load(allowing) else { return PlainFactors(a: b, b: a) }
      return PlainFactors(a: core.contracted(with: b), b: a.transposed)
    }
  }

  /// A whole matrix or its factors.
  private enum Part: Sendable {
    case whole(StoredMatrix)
    case factors(Factors)

    var rows: Int {
      switch self {
      case .whole(let matrix): matrix.rows
      case .factors(let factors): factors.rows
      }
    }

    var columns: Int {
      switch self {
      case .whole(let matrix): matrix.columns
      case .factors(let factors): factors.columns
      }
    }

    var loadedElements: Int { rows * columns }

    func matrix(_ allowing: Bool) throws -> Matrix {
      switch self {
      case .whole(let matrix): return try matrix.load(allowing)
      case .factors(let factors):
        let loaded = try factors.load(allowing)
        return loaded.b.times(loaded.a)
      }
    }
  }

  private func part(
    _ whole: Role, _ a: Role, _ b: Role, _ core: Role?, _ check: RankCheck
  ) throws -> Part {
    if let matrix = tensors[whole] {
      guard tensors[a] == nil, tensors[b] == nil, core.map({ tensors[$0] == nil }) ?? true else {
        throw missing("either \(whole.rawValue) or its factors")
      }
      try matrix.require(matrix.shape.count >= 2, "two extents or more")
      return .whole(matrix)
    }
    let hasCore = core.map { tensors[$0] != nil } ?? false
    let found = try factors(a, b, hasCore ? core : nil, check)
    try found.a.requireComputable(found.rows * found.columns)
    return .factors(found)
  }

  private func factors(
    _ a: Role, _ b: Role, _ core: Role?, _ check: RankCheck
  ) throws -> Factors {
    guard let first = tensors[a], let second = tensors[b] else {
      throw missing("\(a.rawValue) and \(b.rawValue)")
    }
    try first.require(first.shape.count == 2, "two extents")
    guard let core else {
      try check(second.rows, second.reference)
      try first.require(first.columns == second.rows, "\([first.rows, second.rows])")
      return Factors(a: first, b: second, core: nil)
    }
    guard let tensor = tensors[core] else { throw missing(core.rawValue) }
    try check(second.rows, second.reference)
    try second.require(second.shape.count == 2, "two extents")
    try first.require(first.rows == second.rows, "\([second.rows, first.columns])")
    try tensor.require(
      tensor.shape.count > 2 && tensor.shape[0] == first.rows && tensor.shape[1] == second.rows,
      "\(first.rows) x \(second.rows) and a kernel")
    let found = Factors(a: first, b: second, core: tensor)
    try tensor.requireComputable(first.rows * found.columns)
    return found
  }

  private func missing(_ expected: String) -> AdapterError {
    .missingTensor(source: source, block: module, expected: expected)
  }
}

extension Matrix {
  /// A core T [i, j, κ], stored [i, j κ], contracted over j with B [j, c]: [i, c κ].
  func contracted(with other: Matrix) -> Matrix {
    let kernel = columns / other.rows
    var result = Matrix(rows: rows, columns: other.columns * kernel)
    for i in 0..<rows {
      for j in 0..<other.rows {
        for c in 0..<other.columns {
          for k in 0..<kernel {
            result[i, c * kernel + k] += self[i, j * kernel + k] * other[j, c]
          }
        }
      }
    }
    return result
  }
}
