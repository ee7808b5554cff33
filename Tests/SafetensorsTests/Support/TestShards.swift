import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

/// A checkpoint folder with an index, as tests describe it.
struct TestShards {
  let folder = TemporaryFolder()

  var path: String { folder.path }
  var indexPath: String { folder.file("model.safetensors.index.json") }

  /// Two shards of two tensors each, 1, 2, 3 and 4 bytes, and the index that fits them.
  static func pair() throws -> TestShards {
    let shards = TestShards()
    try shards.shard("one.safetensors", ["a": 1, "b": 2])
    try shards.shard("two.safetensors", ["c": 3, "d": 4])
    try shards.index(["a": "one", "b": "one", "c": "two", "d": "two"], totalSize: "10")
    return shards
  }

  /// Writes a shard of U8 tensors, each filled with its size.
  func shard(_ name: String, _ tensors: KeyValuePairs<TensorName, Int>) throws {
    let source = MemoryTensorSource(
      label: name,
      tensors: try tensors.map { tensor, size in
        (
          try TensorInfo(name: tensor, dtype: .u8, shape: [size]),
          [UInt8](repeating: UInt8(size), count: size)
        )
      })
    try SafetensorsWriter.write(source, metadata: [], to: folder.file(name), replacing: true)
  }

  /// Writes an index of tensors and shards, the shards without their extension.
  func index(_ map: KeyValuePairs<String, String>, totalSize: String?) throws {
    try index(raw: map.map { ($0, "\($1).safetensors") }, totalSize: totalSize)
  }

  func index(raw map: [(tensor: String, shard: String)], totalSize: String? = nil) throws {
    let pairs = map.map { tensor, shard in
      "\(JSONValue.string(tensor).serialized()): \(JSONValue.string(shard).serialized())"
    }
    let metadata = totalSize.map { #""metadata": {"total_size": \#($0)}, "# } ?? ""
    try index(text: #"{\#(metadata)"weight_map": {\#(pairs.joined(separator: ", "))}}"#)
  }

  func index(text: String) throws {
    try folder.write(Array(text.utf8), to: "model.safetensors.index.json")
  }

  /// Opens the folder.
  func open() throws -> ShardedCheckpoint { try ShardedCheckpoint(folder: path) }

  /// Expects that the folder is refused, for one reason and in these words after the index's path.
  func expectRefused(
    _ reason: ShardIndexError.Reason, line: String? = nil, path: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: ShardIndexError.self, sourceLocation: sourceLocation) { try open() }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.path == path ?? indexPath, sourceLocation: sourceLocation)
    #expect(error?.failureKind == .badData, sourceLocation: sourceLocation)
    if let line {
      #expect(
        error?.description == "\(path ?? indexPath): \(line)", sourceLocation: sourceLocation)
    }
  }
}
