import Adapters
import ByteIO
import Tensors

/// What `inspect` shows of an adapter.
struct AdapterDescriptionOutput: InspectDescription {
  private let path: String
  private let adapter: Adapter
  private let norms: [(a: Double, b: Double)]

  var warnings: [String] { [] }

  init(_ path: String, _ adapter: Adapter) throws {
    self.path = path
    self.adapter = adapter
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
    func window(_ window: NormWindow) -> JSONValue {
      .members([
        "count": .integer(window.values.count), "mean": window.mean.map(JSONValue.double) ?? .null,
      ])
    }
    return .members([
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
            "windows": .members([
              "input": window(block.windows.input), "projection": window(block.windows.projection),
            ]),
          ])
        }),
      "parameters": .integer(adapter.parameterCount),
      "bytes": .integer(adapter.byteCount),
      "notes": .array(adapter.notes.map(JSONValue.string)),
    ])
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
    return AdapterSummary.text(path, adapter) + "\n" + table.text
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
