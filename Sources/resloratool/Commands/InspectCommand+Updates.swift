import Adapters
import ByteIO
import Tensors

/// What `inspect` shows of an adapter that is no plain LoRA of linear layers: what it does to which
/// tensors.
struct UpdatesDescription: InspectDescription {
  private let path: String
  private let adapter: AdapterUpdates
  private let tensors: TensorListing?
  private let rows: [Row]

  /// An update, or those of all experts of one tensor.
  private struct Row {
    let update: WeightUpdate
    var experts: Int
  }

  init(_ path: String, _ adapter: AdapterUpdates, _ tensors: TensorListing?) {
    self.path = path
    self.adapter = adapter
    self.tensors = tensors
    rows = adapter.updates.reduce(into: []) { rows, update in
      if update.expert != nil, let last = rows.last, last.update.expert != nil,
        last.update.module == update.module
      {
        rows[rows.count - 1].experts += 1
      } else {
        rows.append(Row(update: update, experts: update.expert == nil ? 0 : 1))
      }
    }
  }

  /// The kinds there are, in the order of the updates.
  private var kinds: [String] {
    rows.reduce(into: []) { kinds, row in
      if !kinds.contains(row.update.kind) { kinds.append(row.update.kind) }
    }
  }

  var json: JSONValue {
    .members([
      "path": .string(path),
      "format": .string(adapter.format),
      "kind": .string(kinds.first ?? ""),
      "kinds": .array(kinds.map(JSONValue.string)),
      "blocks": .array(
        rows.map { row in
          .members([
            "name": .string(row.update.module.string),
            "kind": .string(row.update.kind),
            "parameter": .string(row.update.parameter.word),
            "action": .string(row.update.action.word),
            "shape": .array(row.update.shape.map(JSONValue.integer)),
            "in": .integer(row.update.columns),
            "out": .integer(row.update.rows),
            "experts": row.experts == 0 ? nil : .integer(row.experts),
          ])
        }),
      "parameters": .integer(adapter.tensors.elementCount),
      "bytes": .integer(adapter.tensors.byteCount),
      "base_model": adapter.baseModel.map(JSONValue.string),
      "tensors": tensors?.json,
      "notes": .array(adapter.notes.map(JSONValue.string)),
    ])
  }

  var text: String {
    var table = Table([
      ("module", .left), ("parameter", .left), ("kind", .left), ("shape", .left), ("does", .left),
    ])
    for row in rows {
      let experts = row.experts == 0 ? "" : ", \(row.experts) experts"
      table.append([
        row.update.module.description, row.update.parameter.word, row.update.kind,
        row.update.shape.map(String.init).joined(separator: " x ") + experts,
        row.update.action.word,
      ])
    }
    let modules = Set(rows.map(\.update.module)).count
    return """
      \(Style.bold(path.escapedForTerminal)): \(adapter.format)
      \(kinds.joined(separator: ", ")); \(modules) \(modules == 1 ? "module" : "modules"), \
      \(adapter.tensors.elementCount) parameters, \(Format.bytes(adapter.tensors.byteCount))

      """ + adapter.notes.map { "note: \($0)\n" }.joined()
        + (adapter.baseModel.map { "base model: \($0.escapedForTerminal)\n" } ?? "") + "\n"
        + table.text + (tensors.map { "\n" + $0.text } ?? "")
  }
}

extension WeightUpdate.Parameter {
  /// The parameter's name in its module; empty where the module's name is the tensor's.
  fileprivate var word: String { String(suffix.dropFirst()) }
}

extension WeightUpdate.Action {
  /// What happens to the tensor.
  fileprivate var word: String {
    switch self {
    case .add: "add"
    case .rescale: "rescale"
    case .replace: "replace"
    }
  }
}
