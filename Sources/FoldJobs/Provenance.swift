internal import Adapters
internal import ByteIO
internal import Folding
internal import Safetensors
internal import Tensors

/// What the metadata of folded files say of the fold (Folding §4.4).
struct Provenance {
  /// The key in the safetensors metadata; its value is a JSON array, one object for each fold, the
  /// oldest first.
  static let key = "resloratool.fold"
  /// The version of the tool.
  static let tool = "resloratool \(FoldJob.toolVersion)"

  private let entry: JSONValue

  init(_ request: FoldRequest, _ adapters: [OpenedAdapter]) {
    var (dtype, seed): (JSONValue?, JSONValue?) = (nil, nil)
    if let wanted = request.dtype { dtype = .string(wanted.rawValue) }
    if case .stochastic(let value) = request.rounding { seed = .string(String(value)) }
    entry = .members([
      "tool": .string(Provenance.tool),
      "adapters": .array(
        adapters.map { adapter in
          .members([
            "name": .string(Paths.name(of: adapter.path)),
            "sha256": .array(adapter.digests.map(JSONValue.string)),
            "kinds": .array(adapter.kinds.map(JSONValue.string)),
            "structure": .string(adapter.structure.rawValue),
            "method": .string(adapter.method),
            "weight": .double(adapter.weight),
          ])
        }),
      "dtype": dtype,
      "rounding": .string(seed == nil ? "nearest" : "stochastic"),
      "seed": seed,
    ])
  }

  /// The SHA-256 of the adapters that a file's metadata say are folded into it.
  static func folded(into metadata: [(key: String, value: String)]) -> Set<String> {
    Set(
      adapters(in: metadata).flatMap { $0.object?["sha256"]?.array ?? [] }.compactMap(\.string))
  }

  /// The adapters that a file's metadata say are folded into it.
  fileprivate static func adapters(in metadata: [(key: String, value: String)]) -> [JSONValue] {
    guard let text = metadata.first(where: { $0.key == key })?.value,
      let folds = (try? JSONValue(parsing: Array(text.utf8)))?.array
    else { return [] }
    return folds.flatMap { $0.object?["adapters"]?.array ?? [] }
  }

  /// The metadata of a file with this fold added.
  func added(to metadata: [(key: String, value: String)]) -> [(key: String, value: String)] {
    var folds: [JSONValue] = []
    if let earlier = metadata.first(where: { $0.key == Provenance.key })?.value,
      let array = try? JSONValue(parsing: Array(earlier.utf8)).array
    {
      folds = array
    }
    return metadata.filter { $0.key != Provenance.key }
      + [(Provenance.key, JSONValue.array(folds + [entry]).serialized())]
  }
}

extension FoldBase {
  /// The methods by which the adapters in it were merged, each once, by its metadata.
  public var foldedMethods: [String] {
    shards.flatMap { Provenance.adapters(in: $0.header.metadata) }
      .compactMap { $0.object?["method"]?.string }.uniqued
  }
}
