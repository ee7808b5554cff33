internal import ByteIO
internal import Safetensors
package import Tensors
package import TestSupport

/// A checkpoint folder with an index, as tests describe it.
package struct TestShards {
  package let folder = TemporaryFolder()

  package init() {}

  package var path: String { folder.path }
  package var indexPath: String { folder.file("model.safetensors.index.json") }

  /// Two shards of two tensors each, 1, 2, 3 and 4 bytes, and the index that fits them.
  package static func pair() throws -> TestShards {
    let shards = TestShards()
    try shards.shard("one.safetensors", ["a": 1, "b": 2])
    try shards.shard("two.safetensors", ["c": 3, "d": 4])
    try shards.index(["a": "one", "b": "one", "c": "two", "d": "two"], totalSize: "10")
    return shards
  }

  /// Writes a shard of U8 tensors, each filled with its size.
  package func shard(_ name: String, _ tensors: KeyValuePairs<TensorName, Int>) throws {
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
  package func index(_ map: KeyValuePairs<String, String>, totalSize: String?) throws {
    try index(raw: map.map { ($0, "\($1).safetensors") }, totalSize: totalSize)
  }

  package func index(raw map: [(tensor: String, shard: String)], totalSize: String? = nil) throws {
    let pairs = map.map { tensor, shard in
      "\(JSONValue.string(tensor).serialized()): \(JSONValue.string(shard).serialized())"
    }
    let metadata = totalSize.map { #""metadata": {"total_size": \#($0)}, "# } ?? ""
    try index(text: #"{\#(metadata)"weight_map": {\#(pairs.joined(separator: ", "))}}"#)
  }

  package func index(text: String) throws {
    try folder.write(Array(text.utf8), to: "model.safetensors.index.json")
  }
}
