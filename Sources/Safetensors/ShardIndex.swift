internal import ByteIO
internal import Tensors

/// The content of a `….safetensors.index.json`: which shard holds which tensor.
struct ShardIndex {
  static let suffix = ".safetensors.index.json"

  let path: String
  let weightMap: [TensorName: String]
  let metadata: JSONObject?

  private var totalSize: JSONValue? { metadata?["total_size"] }

  /// The index in a folder, or nil where there is none.
  static func find(in folder: String) throws -> String? {
    let names = try Paths.entries(of: folder).filter { $0.hasSuffix(suffix) }
    if names.isEmpty { return nil }
    if names.contains("model\(suffix)") { return Paths.join(folder, "model\(suffix)") }
    guard names.count == 1 else {
      throw ShardIndexError(path: folder, reason: .severalIndexes(names))
    }
    return Paths.join(folder, names[0])
  }

  /// Reads and checks an index file.
  init(path: String) throws {
    func failure(_ reason: ShardIndexError.Reason) -> ShardIndexError {
      ShardIndexError(path: path, reason: reason)
    }
    self.path = path
    let tree: JSONValue
    do {
      tree = try JSONValue(parsing: ReadableFile.json(at: path))
    } catch let error as JSONError {
      throw failure(.json(error))
    }
    guard let map = tree.object?["weight_map"]?.object else { throw failure(.noWeightMap) }
    var weightMap: [TensorName: String] = [:]
    for (tensor, value) in map.members {
      guard let shard = value.string else { throw failure(.noWeightMap) }
      guard !shard.isEmpty, shard != ".", shard != "..", !shard.utf8.contains(UInt8(ascii: "/")),
        !shard.utf8.contains(0), shard != Paths.name(of: path)
      else { throw failure(.badShardName(tensor: tensor, shard: shard)) }
      weightMap[TensorName(tensor)] = shard
    }
    self.weightMap = weightMap
    metadata = tree.object?["metadata"]?.object
  }

  /// Opens all shards, in the order of their names.
  func openShards(in folder: String) throws -> [SafetensorsFile] {
    let names = Set(weightMap.values.map { TensorName($0) }).sorted().map(\.string)
    let missing = try names.filter { try Paths.kind(of: Paths.join(folder, $0)) == .absent }
    guard missing.isEmpty else {
      throw ShardIndexError(path: path, reason: .missingShards(missing))
    }
    return try names.map { name in
      guard try ShardIndex.staysInside(folder, name) else {
        throw ShardIndexError(path: path, reason: .shardOutsideFolder(shard: name))
      }
      return try SafetensorsFile(path: Paths.join(folder, name))
    }
  }

  /// Whether a shard's links end in the folder, or where the Hugging Face hub cache keeps the
  /// files of its snapshots: `snapshots/REVISION/NAME` links to `blobs/HASH`.
  static func staysInside(_ folder: String, _ name: String) throws -> Bool {
    guard let home = Paths.resolved(folder), let target = Paths.resolved(Paths.join(folder, name))
    else { return true }  // opening it reports why
    let place = Paths.parent(of: target)
    if place == home { return true }
    let snapshots = Paths.parent(of: home)
    return Paths.name(of: snapshots) == "snapshots"
      && place == Paths.join(Paths.parent(of: snapshots), "blobs")
  }

  /// Checks that index and shards say the same of every tensor.
  func check(_ shards: [SafetensorsFile]) throws {
    var found: Set<TensorName> = []
    for shard in shards {
      let name = Paths.name(of: shard.label)
      for tensor in shard.tensors {
        guard weightMap[tensor.name] == name else {
          throw ShardIndexError(
            path: path, reason: .unmappedTensor(tensor: tensor.name.string, shard: name))
        }
        found.insert(tensor.name)
      }
    }
    for (tensor, shard) in weightMap.sorted(by: { $0.key < $1.key }) where !found.contains(tensor) {
      throw ShardIndexError(path: path, reason: .missingTensor(tensor: tensor.string, shard: shard))
    }
  }

  /// A line where `metadata.total_size` is not the size of all tensors.
  func sizeWarnings(_ shards: [SafetensorsFile]) -> [String] {
    let size = shards.reduce(0) { sum, shard in
      let (total, overflow) = sum.addingReportingOverflow(shard.byteCount)
      return overflow ? .max : total
    }
    // Some writers store the number as 123.0.
    guard let totalSize, totalSize.number?.double != Double(size) else { return [] }
    return [
      "\(path.escapedForTerminal): wrong total_size "
        + "(found \(totalSize.serialized().escapedForTerminal), expected \(size))"
    ]
  }
}
