@testable import Safetensors
import ByteIO
import Tensors

/// The index of a sharded checkpoint, beside two shards.
enum IndexTarget: FuzzTarget {
  static let name = "index"

  private static let folder: String = {
    let folder = Scratch.makeFolder("checkpoint")
    for (shard, names) in [("a.safetensors", ["x", "y"]), ("b.safetensors", ["z"])] {
      Scratch.write(tensors: names.map { ($0, [2]) }, to: "checkpoint/\(shard)")
    }
    return folder
  }()

  static func run(_ input: [UInt8]) throws {
    _ = folder
    let path = Scratch.write(input, to: "checkpoint/model.safetensors.index.json")
    guard let index = try accepted(ShardIndexError.self, body: { try ShardIndex(path: path) })
    else { return }
    for shard in index.weightMap.values {
      require(!shard.utf8.contains(UInt8(ascii: "/")) && shard != "..", "a shard outside: \(shard)")
    }
    // The system refuses names that are too long.
    let found = try accepted(ShardIndexError.self, SystemError.self) {
      try ShardedCheckpoint(folder: folder)
    }
    if let checkpoint = found {
      checkpoint.warnings.forEach(requireLine)
      require(
        index.weightMap.count == checkpoint.tensors.count, "tensors that are not in the index")
      for (position, info) in checkpoint.tensors.enumerated() {
        require(
          Paths.name(of: checkpoint.shard(of: position).label) == index.weightMap[info.name],
          "\(info.name) in another shard")
      }
    }
    var map = JSONObject()
    for (tensor, shard) in index.weightMap.sorted(by: { $0.key < $1.key }) {
      require(map.append(tensor.string, .string(shard)), "a tensor twice")
    }
    let text = JSONValue.members([
      "metadata": index.metadata.map { .object($0) }, "weight_map": .object(map),
    ]).serialized(indented: true)
    let written = Scratch.write(Array(text.utf8), to: "checkpoint/model.safetensors.index.json")
    let again = try ShardIndex(path: written)
    require(again.weightMap == index.weightMap, "another map after writing")
    require(again.metadata == index.metadata, "other metadata after writing")
  }
}
