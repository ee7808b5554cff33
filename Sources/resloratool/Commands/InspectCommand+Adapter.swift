import Adapters
import ByteIO
import Tensors

/// What `inspect` shows of an adapter.
struct AdapterDescription: InspectDescription {
  private let path: String
  private let adapter: Adapter
  private let norms: [(a: Double, b: Double)]
  private let tensors: TensorListing?
  private let drawsTopology: Bool

  init(
    _ path: String, _ adapter: Adapter, _ tensors: TensorListing?, drawsTopology: Bool
  ) throws {
    self.path = path
    self.adapter = adapter
    self.tensors = tensors
    self.drawsTopology = drawsTopology
    norms = try adapter.blocks.map { block in
      try Interruption.check()
      return (
        try block.a.load(allowingNonFinite: true).frobeniusNorm,
        try block.b.load(allowingNonFinite: true).frobeniusNorm
      )
    }
  }

  private func previous(_ index: Int) -> TensorName? {
    adapter.topology.previous[index].map { adapter.blocks[$0].name }
  }

  var json: JSONValue {
    .members([
      "path": .string(path),
      "format": .string(adapter.format),
      "structure": .string(adapter.structure.rawValue),
      "root": .string(adapter.topology.root.rawValue),
      "pre_num": .integer(adapter.topology.reach.rawValue),
      "blocks": .array(
        adapter.blocks.enumerated().map { index, block in
          .members([
            "name": .string(block.name.string),
            "rank": .integer(block.rank),
            "in": .integer(block.inFeatures),
            "out": .integer(block.outFeatures),
            "dtype": .string(block.dtype.rawValue),
            "scaling": .double(block.scaling),
            "previous": previous(index).map { .string($0.string) } ?? .null,
            "norm_a": .double(norms[index].a),
            "norm_b": .double(norms[index].b),
            "windows": block.windows.summary,
            "base": block.base?.summary,
          ])
        }),
      "parameters": .integer(adapter.parameterCount),
      "bytes": .integer(adapter.byteCount),
      "base_model": adapter.provenance.baseModel.map(JSONValue.string),
      "metadata": .texts(adapter.provenance.metadata),
      "details": .texts(adapter.details.map { ($0.name, $0.value) }),
      "chains": drawsTopology ? chains : nil,
      "tensors": tensors?.json,
      "notes": .array(adapter.notes.map(JSONValue.string)),
    ])
  }

  /// The chains by the names of their blocks.
  private var chains: JSONValue {
    .array(
      adapter.topology.chains.map { chain in
        .array(chain.map { .string(adapter.blocks[$0].name.string) })
      })
  }

  var text: String {
    var table = Table([
      ("block", .left), ("rank", .right), ("in", .right), ("out", .right), ("dtype", .left),
      ("scaling", .right), ("previous", .left), ("‖A‖", .right), ("‖B‖", .right),
      ("f input", .right), ("f projection", .right),
    ])
    for (index, block) in adapter.blocks.enumerated() {
      table.append([
        block.name.description, "\(block.rank)", "\(block.inFeatures)", "\(block.outFeatures)",
        block.dtype.rawValue, Format.number(block.scaling), previous(index)?.description ?? "",
        Format.number(norms[index].a), Format.number(norms[index].b),
        block.windows.input.mean.map(Format.number) ?? "",
        block.windows.projection.mean.map(Format.number) ?? "",
      ])
    }
    var text = AdapterSummary.text(path, adapter) + provenance + "\n" + table.text
    if drawsTopology { text += "\n" + TopologyDrawing(adapter).text }
    if let tensors { text += "\n" + tensors.text }
    return text
  }

  private var provenance: String {
    var lines = adapter.details.map { "\($0.name): \($0.value.escapedForTerminal)" }
    if let model = adapter.provenance.baseModel {
      lines.append("base model: \(model.escapedForTerminal)")
    }
    lines += MetadataLines.of(adapter.provenance.metadata)
    let known = adapter.blocks.filter { $0.base != nil }.count
    if known > 0 {
      let measured = adapter.blocks.filter { $0.base?.statistics != nil }.count
      lines.append(
        "base weights: hashes of \(known), statistics of \(measured) of \(adapter.blocks.count)")
    }
    return lines.map { $0 + "\n" }.joined()
  }
}

/// Metadata for people: values cut to a line.
enum MetadataLines {
  static func of(_ metadata: [(key: String, value: String)]) -> [String] {
    metadata.map { key, value in
      "metadata \(key.escapedForTerminal): \(String(value.prefix(200)).escapedForTerminal)"
    }
  }
}

extension NormWindows {
  /// How many norms there are and their means.
  var summary: JSONValue {
    func window(_ window: NormWindow) -> JSONValue {
      .members([
        "count": .integer(window.values.count), "mean": window.mean.map(JSONValue.double) ?? .null,
      ])
    }
    return .members([
      "input": window(input), "projection": window(projection), "capacity": .integer(capacity),
    ])
  }
}

extension BaseWeight {
  fileprivate var summary: JSONValue {
    .members([
      "tensor": .string(tensor.name.string), "dtype": .string(tensor.dtype.rawValue),
      "shape": .array(tensor.shape.map(JSONValue.integer)), "sha256": .string(sha256),
      "squared_norm": statistics.map { .double($0.squaredNorm) },
    ])
  }
}

extension JSONValue {
  /// An object of texts; of keys that occur twice the first counts.
  static func texts(_ texts: [(key: String, value: String)]) -> JSONValue {
    var object = JSONObject()
    for (key, value) in texts { _ = object.append(key, .string(value)) }
    return .object(object)
  }
}

/// The lines about an adapter that several commands begin with.
enum AdapterSummary {
  static func text(_ path: String, _ adapter: Adapter) -> String {
    var linked = ""
    switch adapter.structure {
    case .plain: break
    case .inputShortcut: linked = ", root \(adapter.topology.root.rawValue)"
    case .blockShortcut, .middleShortcut:
      linked = ", pre_num \(adapter.topology.reach.rawValue)"
    }
    let count = adapter.blocks.count
    return """
      \(Style.bold(path.escapedForTerminal)): \(adapter.format)
      \(adapter.structure.title) (\(adapter.structure.rawValue))\(linked); \
      \(count) \(count == 1 ? "block" : "blocks"), \(adapter.parameterCount) parameters, \
      \(Format.bytes(adapter.byteCount))

      """ + adapter.notes.map { "note: \($0)\n" }.joined()
  }
}
