import Adapters
import ByteIO
import Tensors

/// What `inspect` shows of a checkpoint.
struct CheckpointDescriptionOutput: InspectDescription {
  private let path: String
  private let checkpoint: PathContent.Checkpoint

  init(_ path: String, _ checkpoint: PathContent.Checkpoint) {
    self.path = path
    self.checkpoint = checkpoint
  }

  var warnings: [String] { checkpoint.warnings }

  private var tensors: [TensorInfo] { checkpoint.source.tensors }
  private var parameters: Int { checkpoint.source.elementCount }
  private var bytes: Int { checkpoint.source.byteCount }

  var json: JSONValue {
    var metadata = JSONObject()
    for (key, value) in checkpoint.metadata { _ = metadata.append(key, .string(value)) }
    return .members([
      "path": .string(path),
      "format": .string(checkpoint.format),
      "tensors": .array(
        zip(tensors, checkpoint.files).map { info, file in
          .members([
            "name": .string(info.name.string),
            "dtype": .string(info.dtype.rawValue),
            "shape": .array(info.shape.map(JSONValue.integer)),
            "bytes": .integer(info.byteCount),
            "file": .string(file),
          ])
        }),
      "parameters": .integer(parameters),
      "bytes": .integer(bytes),
      "shards": .integer(checkpoint.shardCount),
      "metadata": .object(metadata),
      "warnings": .array(warnings.map(JSONValue.string)),
    ])
  }

  var text: String {
    var table = Table([
      ("tensor", .left), ("dtype", .left), ("shape", .left), ("bytes", .right), ("file", .left),
    ])
    for (info, file) in zip(tensors, checkpoint.files) {
      table.append([
        info.name.description, info.dtype.rawValue, Format.shape(info.shape), "\(info.byteCount)",
        checkpoint.shardCount > 1 ? file.escapedForTerminal : "",
      ])
    }
    let shards = checkpoint.shardCount == 1 ? "" : " in \(checkpoint.shardCount) shards"
    let metadata = checkpoint.metadata.map { key, value in
      "metadata \(key.escapedForTerminal): \(value.prefix(200).description.escapedForTerminal)\n"
    }
    return """
      \(Style.bold(path.escapedForTerminal)): \(checkpoint.format)
      \(tensors.count) tensors\(shards), \(parameters) parameters, \(Format.bytes(bytes))
      \(metadata.joined())
      \(table.text)
      """
  }
}
