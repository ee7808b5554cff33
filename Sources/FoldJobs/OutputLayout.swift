internal import ByteIO
internal import Folding
public import Safetensors
internal import Tensors

/// The files a fold writes (Folding §4).
public struct OutputLayout: Sendable {
  /// One file of tensors.
  public struct Shard: Sendable {
    /// Its name in the folder, or of the one file.
    public let name: String
    /// Its tensors' positions in the base, in the order of their data.
    public let tensors: [Int]
    /// Where everything lies in it.
    public let layout: SafetensorsLayout
  }

  /// The files of tensors.
  public let shards: [Shard]
  /// The index that is written last; nil where there is one file.
  public let indexName: String?
  /// Whether the output is a folder.
  public let isFolder: Bool

  /// Decides names, orders and headers.
  ///
  /// - Parameter metadata: what every header gets beside the base's metadata.
  init(
    _ plan: FoldPlan, _ base: FoldBase, maximumShardBytes: Int?, output: String,
    metadata added: ([(key: String, value: String)]) -> [(key: String, value: String)]
  ) {
    let groups: [(name: String?, tensors: [Int], origin: Int?)]
    if let maximumShardBytes {
      groups = OutputLayout.cut(plan, maximumShardBytes).map { (nil, $0, nil) }
      isFolder = true
    } else {
      groups = zip(base.shards, base.tensorsOfShards).enumerated().map { number, shard in
        return (Paths.name(of: shard.0.label), shard.1.filter { plan.output[$0] != nil }, number)
      }
      // A shard of nothing but scales that were multiplied in.
      .filter { group in
        !group.tensors.isEmpty || group.origin.map { base.shards[$0].tensors.isEmpty } ?? false
      }
      isFolder = base.isFolder
    }
    let isOne = groups.count == 1
    let isWholeFolder = base.isFolder
    shards = groups.enumerated().map { number, group in
      let infos = group.tensors.compactMap { plan.output[$0] }
      let header = group.origin.map { base.shards[$0].header }
      let old = header?.metadata ?? base.shards[0].header.metadata
      let metadata = added(old)
      let isSame =
        header.map {
          metadata.map(\.key) == old.map(\.key) && metadata.map(\.value) == old.map(\.value)
            && $0.tensors == infos
        } ?? false
      let name =
        !isWholeFolder && maximumShardBytes == nil
        ? Paths.name(of: output)
        : group.name ?? OutputLayout.name(number, of: groups.count)
      return Shard(
        name: name, tensors: group.tensors,
        layout: isSame
          ? header.map(SafetensorsLayout.init(preserving:))
            ?? SafetensorsLayout(ordered: infos, metadata: metadata)
          : SafetensorsLayout(
            ordered: infos, metadata: metadata, alignedWith: header?.dataStart))
    }
    indexName =
      maximumShardBytes == nil
      ? base.indexName : isOne ? nil : "model.safetensors.index.json"
  }

  /// The names that the Hugging Face libraries give shards.
  private static func name(_ number: Int, of count: Int) -> String {
    func digits(_ value: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    return count == 1
      ? "model.safetensors" : "model-\(digits(number + 1))-of-\(digits(count)).safetensors"
  }

  /// Tensors in the base's order, as many in a shard as fit, at least one.
  private static func cut(_ plan: FoldPlan, _ maximum: Int) -> [[Int]] {
    var groups: [[Int]] = [[]]
    var size = 0
    for (index, info) in plan.output.enumerated() {
      guard let info else { continue }
      if size + info.byteCount > maximum, !groups[groups.count - 1].isEmpty {
        groups.append([])
        size = 0
      }
      groups[groups.count - 1].append(index)
      size += info.byteCount
    }
    return groups
  }

  /// Bytes of all files of tensors.
  public var byteCount: Int { shards.reduce(0) { $0 + $1.layout.fileSize } }

  /// The index as it is written: which shard holds which tensor.
  ///
  /// - Parameter metadata: what the base's index says of itself.
  func indexText(_ metadata: JSONObject?) -> String {
    var map: [(String, JSONValue)] = []
    for shard in shards {
      map += shard.layout.tensors.map { ($0.name.string, .string(shard.name)) }
    }
    var object = JSONObject()
    for (name, shard) in map.sorted(by: { TensorName($0.0) < TensorName($1.0) }) {
      _ = object.append(name, shard)
    }
    var own = JSONObject()
    for (key, value) in metadata?.members ?? [] where key != "total_size" {
      _ = own.append(key, value)
    }
    let size = shards.reduce(0) { $0 + $1.layout.tensors.reduce(0) { $0 + $1.byteCount } }
    _ = own.append("total_size", .integer(size))
    return JSONValue.members([
      "metadata": .object(own), "weight_map": .object(object),
    ]).serialized(indented: true) + "\n"
  }
}
