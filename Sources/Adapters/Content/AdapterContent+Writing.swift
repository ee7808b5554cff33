internal import ByteIO
internal import Tensors

extension AdapterContent {
  /// The canonical text of the description (Adapter §2.5).
  var text: String { json.serialized() }

  private var json: JSONValue {
    var members = header
    _ = members.append("blocks", .array(blocks.map { .object($0.object) }))
    return .object(members)
  }

  /// All but the blocks.
  var header: JSONObject {
    JSONObject([
      "format": .string(AdapterContent.format),
      "version": .integer(AdapterContent.version),
      "structure": .string(structure.rawValue),
      "root": .string(root.rawValue),
      "pre_num": .integer(reach.rawValue),
      "base_model": baseModel.map(JSONValue.string),
      "metadata": metadata.isEmpty
        ? nil : JSONValue.sorted(metadata.map { (TensorName($0.key), .string($0.value)) }),
    ])
  }
}

extension AdapterContent.BlockContent {
  /// The object of Adapter §2.2.
  var object: JSONObject {
    JSONObject([
      "name": .string(name.string),
      "scaling": .double(scaling),
      "previous": previous.map { .string($0.string) } ?? .null,
      "pairs": pairs == 1 ? nil : .integer(pairs),
      "windows": windows.isEmpty ? nil : windows.json,
      "base": base?.json,
    ])
  }
}

extension NormWindows {
  /// The object of Adapter §2.2.
  var json: JSONValue {
    .members([
      "input": input.json,
      "projection": projection.json,
      "capacity": capacity == NormWindows.defaultCapacity ? nil : .integer(capacity),
    ])
  }
}

extension NormWindow {
  /// The norms as an array; nil where there is none.
  fileprivate var json: JSONValue? { values.isEmpty ? nil : .array(values.map(JSONValue.double)) }
}

extension BaseWeight {
  fileprivate var json: JSONValue {
    .members([
      "tensor": .string(tensor.name.string),
      "dtype": .string(tensor.dtype.rawValue),
      "shape": .array(tensor.shape.map(JSONValue.integer)),
      "sha256": .string(sha256),
      "statistics": statistics.map { statistics in
        .members([
          "squared_norm": .double(statistics.squaredNorm),
          "cross": .sorted(statistics.cross.map { ($0.key, .double($0.value)) }),
        ])
      },
    ])
  }
}

extension JSONValue {
  /// An object with its members in the order of the bytes of their keys, which must differ.
  fileprivate static func sorted(_ members: [(key: TensorName, value: JSONValue)]) -> JSONValue {
    var object = JSONObject()
    for (key, value) in members.sorted(by: { $0.key < $1.key }) {
      let added = object.append(key.string, value)
      precondition(added, "key '\(key)' twice")
    }
    return .object(object)
  }
}
