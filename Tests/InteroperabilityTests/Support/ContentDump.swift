import Activations
import Adapters
import ByteIO
import Tensors

/// What the library reads from a file, as `dump` of the Python package lays it out.
enum ContentDump {
  /// An adapter; `identity` is what its files are to have.
  static func adapter(_ adapter: Adapter, identity: JSONValue?) throws -> JSONValue {
    .members([
      "kind": .string("adapter"),
      "structure": .string(adapter.structure.rawValue),
      "root": .string(adapter.topology.root.rawValue),
      "pre_num": .integer(adapter.topology.reach.rawValue),
      "base_model": adapter.provenance.baseModel.map(JSONValue.string) ?? .null,
      "metadata": texts(adapter.provenance.metadata),
      "identity": identity,
      "blocks": .array(
        try adapter.blocks.enumerated().map { position, block in
          let previous = adapter.topology.previous[position].map { adapter.blocks[$0].name }
          return try self.block(block, previous: previous)
        }),
    ])
  }

  private static func block(_ block: Block, previous: TensorName?) throws -> JSONValue {
    let factors = zip(block.a.pieces, block.b.pieces).flatMap { [$0, $1] }
    return .members([
      "name": .string(block.name.string),
      "scaling": .double(block.scaling),
      "previous": previous.map { .string($0.string) } ?? .null,
      "pairs": .integer(block.a.pieces.count),
      "windows": block.windows.isEmpty ? .null : windows(block.windows),
      "base": block.base.map(base) ?? .null,
      "tensors": object(
        try factors.enumerated().map { number, factor in
          let suffix = factors.count == 2 ? "" : ".\(number / 2)"
          return ("\(number % 2 == 0 ? "lora_A" : "lora_B")\(suffix)", try tensor(factor))
        }),
    ])
  }

  private static func base(_ base: BaseWeight) -> JSONValue {
    .members([
      "tensor": .string(base.tensor.name.string),
      "dtype": .string(base.tensor.dtype.rawValue),
      "shape": .array(base.tensor.shape.map(JSONValue.integer)),
      "sha256": .string(base.sha256),
      "statistics": base.statistics.map { statistics in
        .members([
          "squared_norm": .double(statistics.squaredNorm),
          "cross": object(statistics.cross.map { ($0.key.string, .double($0.value)) }),
        ])
      } ?? .null,
    ])
  }

  /// Norm windows of their own file.
  static func windows(_ file: WindowsFile) -> JSONValue {
    .members([
      "kind": .string("windows"),
      "blocks": object(file.blocks.map { ($0.name.string, windows($0.windows)) }),
    ])
  }

  private static func windows(_ windows: NormWindows) -> JSONValue {
    .members([
      "input": .array(windows.input.values.map(JSONValue.double)),
      "projection": .array(windows.projection.values.map(JSONValue.double)),
      "capacity": .integer(windows.capacity),
    ])
  }

  /// Activations.
  static func activations(_ file: ActivationFile) throws -> JSONValue {
    let matrices = file.matrices
    return .members([
      "kind": .string("activations"),
      "inputs": object(
        try matrices.tensors.indices.map { index in
          let reference = TensorReference(source: matrices, index: index)
          return (reference.info.name.string, try tensor(reference))
        }),
      "blocks": object(
        file.inputs.map { ($0.block.string, .string(matrices.tensors[$0.matrix].name.string)) }),
      "metadata": texts(file.metadata),
    ])
  }

  private static func tensor(_ tensor: TensorReference) throws -> JSONValue {
    .members([
      "dtype": .string(tensor.info.dtype.rawValue),
      "shape": .array(tensor.info.shape.map(JSONValue.integer)),
      "sha256": .string(try SHA256Hasher.digest(of: tensor).hexadecimal),
    ])
  }

  private static func texts(_ pairs: [(key: String, value: String)]) -> JSONValue {
    object(pairs.map { ($0.key, .string($0.value)) })
  }

  fileprivate static func object(_ members: [(String, JSONValue)]) -> JSONValue {
    var object = JSONObject()
    for (key, value) in members {
      let isNew = object.append(key, value)
      precondition(isNew, "\(key) twice")
    }
    return .object(object)
  }
}

extension JSONValue {
  /// The value with the members of all objects sorted by the bytes of their keys.
  var sortedMembers: JSONValue {
    if let array { return .array(array.map(\.sortedMembers)) }
    guard let object else { return self }
    return ContentDump.object(
      object.members.sorted { TensorName($0.key) < TensorName($1.key) }
        .map { ($0.key, $0.value.sortedMembers) })
  }
}
