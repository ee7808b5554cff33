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
    let text = try ReadableFile.json(at: path)
    let map: [TensorName: String]?
    do {
      (map, metadata) = try ShardIndex.parse(text)
    } catch {
      throw failure(.json(error))
    }
    guard let map else { throw failure(.noWeightMap) }
    weightMap = map
    let own = Paths.name(of: path)
    for shard in Set(map.values.map { TensorName($0) }).map(\.string) {
      guard !shard.isEmpty, shard != ".", shard != "..", !shard.utf8.contains(UInt8(ascii: "/")),
        !shard.utf8.contains(0), shard != own
      else {
        let tensor = map.filter { TensorName($0.value) == TensorName(shard) }.keys.min()
        throw failure(.badShardName(tensor: tensor?.string ?? "", shard: shard))
      }
    }
  }

  /// What an index's text says, without a tree of it: which shard holds which tensor, nil where it
  /// does not say so, and what it says of itself.
  private static func parse(
    _ text: [UInt8]
  ) throws(JSONError) -> (map: [TensorName: String]?, metadata: JSONObject?) {
    var reader = try JSONReader(text)
    guard try reader.peek() == UInt8(ascii: "{") else {
      _ = try reader.readValue()
      try reader.finish()
      return (nil, nil)
    }
    var map: [TensorName: String]?
    var metadata: JSONObject?
    var keys: Set<TensorName> = []
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key == "weight_map", try reader.peek() == UInt8(ascii: "{") {
        map = try parseMap(&reader)
      } else {
        let value = try reader.readValue()
        if key == "metadata" { metadata = value.object }
      }
      guard keys.insert(TensorName(key)).inserted else { throw reader.error(.duplicateKey(key)) }
    }
    try reader.finish()
    return (map, metadata)
  }

  /// An object of strings; nil where a value is none.
  private static func parseMap(
    _ reader: inout JSONReader
  ) throws(JSONError) -> [TensorName: String]? {
    var map: [TensorName: String] = [:]
    var isMap = true
    var last = ""
    try reader.beginObject()
    while let tensor = try reader.nextKey() {
      let value = try reader.readValue()
      if value.string == nil { isMap = false }
      // Thousands of tensors share the text of their shard's name.
      if let shard = value.string, TensorName(shard) != TensorName(last) { last = shard }
      guard map.updateValue(last, forKey: TensorName(tensor)) == nil else {
        throw reader.error(.duplicateKey(tensor))
      }
    }
    return isMap ? map : nil
  }

  /// Opens all shards, in the order of their names.
  ///
  /// - Parameter threads: how many to open at once, as each reads and checks a header.
  func openShards(in folder: String, threads: Int) throws -> [SafetensorsFile] {
    let names = Set(weightMap.values.map { TensorName($0) }).sorted().map(\.string)
    let missing = try names.filter { try Paths.kind(of: Paths.join(folder, $0)) == .absent }
    guard missing.isEmpty else {
      throw ShardIndexError(path: path, reason: .missingShards(missing))
    }
    return try Parallel.map(names.count, threads: threads) { position in
      let name = names[position]
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
    for shard in shards {
      let name = Paths.name(of: shard.label)
      for tensor in shard.tensors {
        guard let mapped = weightMap[tensor.name], TensorName(mapped) == TensorName(name) else {
          throw ShardIndexError(
            path: path, reason: .unmappedTensor(tensor: tensor.name.string, shard: name))
        }
      }
    }
    // Each tensor lies in the one shard it is mapped to, so no name was seen twice.
    guard shards.reduce(0, { $0 + $1.tensors.count }) != weightMap.count else { return }
    let found = Set(shards.flatMap(\.tensors).map(\.name))
    let missing = weightMap.filter { !found.contains($0.key) }.min { $0.key < $1.key }
    guard let (tensor, shard) = missing else { preconditionFailure("fewer tensors than mapped") }
    throw ShardIndexError(path: path, reason: .missingTensor(tensor: tensor.string, shard: shard))
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
