public import ByteIO
public import Tensors

/// A checkpoint in one or several safetensors files, read as one set of tensors.
///
/// All headers are read and checked against the index at once; no tensor is.
public final class ShardedCheckpoint: FileBackedTensorSource {
  /// The folder, or the one file.
  public let label: String
  /// The shards in the order of their names.
  public let shards: [SafetensorsFile]
  /// All tensors, shard by shard in the order of their data.
  public let tensors: [TensorInfo]
  /// What is odd but harmless, one line each.
  public let warnings: [String]
  /// The index file, where there is one.
  package let indexPath: String?
  /// What the index says of itself.
  package let indexMetadata: JSONObject?

  private let places: [(shard: Int, index: Int)]
  private let indices: [TensorName: Int]

  /// Reads the index of a folder, or its only safetensors file, and all headers.
  ///
  /// - Parameter threads: how many headers to read at once.
  /// - Throws: `ShardIndexError`, `SafetensorsError`, `SystemError`, `FileError`.
  public convenience init(folder: String, threads: Int = 1) throws {
    if let path = try ShardIndex.find(in: folder) {
      let index = try ShardIndex(path: path)
      let shards = try index.openShards(in: folder, threads: threads)
      try index.check(shards)
      try self.init(
        label: folder, shards: shards, indexPath: index.path, indexMetadata: index.metadata,
        warnings: index.sizeWarnings(shards))
    } else {
      let names = try Paths.entries(of: folder).filter {
        Paths.fileExtension(of: $0) == "safetensors"
      }
      guard names.count == 1 || names.contains("model.safetensors") else {
        throw ShardIndexError(path: folder, reason: .noCheckpoint)
      }
      let name = names.count == 1 ? names[0] : "model.safetensors"
      try self.init(
        label: folder, shards: [SafetensorsFile(path: Paths.join(folder, name))], indexPath: nil,
        indexMetadata: nil, warnings: [])
    }
  }

  init(
    label: String, shards: [SafetensorsFile], indexPath: String?, indexMetadata: JSONObject?,
    warnings: [String]
  ) throws {
    self.indexMetadata = indexMetadata
    self.label = label
    self.indexPath = indexPath
    self.shards = shards
    self.warnings = warnings
    tensors = shards.flatMap(\.tensors)
    places = shards.enumerated().flatMap { shard, file in
      file.tensors.indices.map { (shard, $0) }
    }
    indices = Dictionary(tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
  }

  /// The position of the tensor of that name.
  public func index(of name: TensorName) -> Int? { indices[name] }

  /// The shard a tensor lies in and its position there.
  public func location(of index: Int) -> (file: ReadableFile, offset: Int) {
    shards[places[index].shard].location(of: places[index].index)
  }

  /// Whether the links of a name in a folder end in the folder, or in the hub's cache of it, so
  /// that a folder from a stranger names none of the reader's own files.
  package static func staysInside(_ folder: String, _ name: String) throws -> Bool {
    try ShardIndex.staysInside(folder, name)
  }

  /// The shard a tensor lies in.
  public func shard(of index: Int) -> SafetensorsFile { shards[places[index].shard] }
}
