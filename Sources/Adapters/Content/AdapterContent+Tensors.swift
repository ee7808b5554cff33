internal import ResLoRAContainer
internal import Tensors

extension AdapterContent {
  /// Joins what a file says with its tensors (Adapter §1.3, §2.3), every one of which must belong to
  /// a block.
  ///
  /// - Parameter rule: the rule that lists the tensors of the format.
  /// - Returns: nil where `check` noted an error.
  func adapter(
    path: String, format: String, tensors source: any TensorSource, rule: String,
    attachments: [AncillaryChunk] = [], details: [(name: String, value: String)] = [],
    check: RuleCheck
  ) throws -> UncheckedAdapter? {
    var unclaimed = Set(source.tensors.map(\.name))
    let joined = try blocks.compactMap { block -> Block? in
      // A few bytes can declare millions of blocks and pairs.
      if check.isFull { return nil }
      func factor(_ join: Factor.Join, _ name: (Int, Int) -> String) throws -> Factor? {
        var pieces: [TensorReference] = []
        for pair in 0..<block.pairs {
          let tensor = FactorName.tensor(block.name, name(pair, block.pairs))
          guard let index = source.index(of: tensor) else {
            try check.broken(
              ContentError(
                path: path, owner: "block '\(block.name)'", rule: rule,
                reason: .missingTensor(tensor)))
            return nil
          }
          unclaimed.remove(tensor)
          pieces.append(TensorReference(source: source, index: index))
        }
        return try check.attempt("Adapter §1.3") { try Factor(pieces, join: join) }
      }
      let (a, b) = (try factor(.rows, FactorName.a), try factor(.columns, FactorName.b))
      guard let a, let b else { return nil }
      if let base = block.base, base.statistics != nil,
        base.tensor.shape != [b.rows, a.columns]
      {
        try check.broken(
          ContentError(
            path: path, owner: "block '\(block.name)'", rule: "Adapter §1.6",
            reason: .badValue(
              key: "shape", found: "\(base.tensor.shape)",
              expected: "\([b.rows, a.columns]), where there are statistics")))
      }
      return try check.attempt("Adapter §1.3") {
        try Block(
          name: block.name, a: a, b: b, scaling: block.scaling, windows: block.windows,
          base: block.base)
      }
    }
    if !unclaimed.isEmpty {
      try check.broken(
        ContentError(
          path: path, owner: nil, rule: rule, reason: .unexpectedTensors(unclaimed.sorted())))
    }
    guard !check.hasErrors else { return nil }
    return UncheckedAdapter(
      label: path, format: format, blocks: joined, previous: blocks.map(\.previous),
      structure: structure, root: root, reach: reach,
      provenance: Provenance(
        baseModel: baseModel, metadata: metadata, attachments: attachments),
      details: details)
  }

  /// The tensors to write, under the names of Adapter §2.3, in the order of blocks and pairs.
  static func tensors(of adapter: Adapter) throws -> RenamedTensors {
    try RenamedTensors(
      label: adapter.label,
      adapter.blocks.flatMap { block in
        zip(block.a.pieces, block.b.pieces).enumerated().flatMap { pair, pieces in
          let count = block.a.pieces.count
          return [
            (FactorName.tensor(block.name, FactorName.a(pair, of: count)), pieces.0),
            (FactorName.tensor(block.name, FactorName.b(pair, of: count)), pieces.1),
          ]
        }
      })
  }
}

/// Tensors of other sources under names of their own.
struct RenamedTensors: TensorSource {
  let label: String
  let tensors: [TensorInfo]
  private let references: [TensorReference]
  private let indices: [TensorName: Int]

  /// Names must differ.
  init(label: String, _ tensors: [(name: TensorName, reference: TensorReference)]) throws {
    self.label = label
    references = tensors.map(\.reference)
    self.tensors = try tensors.map { name, reference in
      try TensorInfo(name: name, dtype: reference.info.dtype, shape: reference.info.shape)
    }
    indices = Dictionary(self.tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
    guard indices.count == tensors.count else {
      let repeated = Dictionary(grouping: self.tensors.map(\.name)) { $0 }
        .first { $1.count > 1 }?.key
      throw AdapterError.duplicateBlock(repeated ?? "")
    }
  }

  func index(of name: TensorName) -> Int? { indices[name] }

  func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let reference = references[index]
    try unsafe reference.source.read(tensor: reference.index, at: byteOffset, into: buffer)
  }
}
