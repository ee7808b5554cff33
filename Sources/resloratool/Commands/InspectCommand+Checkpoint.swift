import ByteIO
import Contents
import Tensors

/// What `inspect` shows of a checkpoint.
struct CheckpointDescription: InspectDescription {
  private let path: String
  private let checkpoint: PathContent.Checkpoint
  private let tensors: TensorListing

  init(_ path: String, _ checkpoint: PathContent.Checkpoint, _ tensors: TensorListing) {
    self.path = path
    self.checkpoint = checkpoint
    self.tensors = tensors
  }

  var warnings: [String] { checkpoint.warnings }

  private var parameters: Int { checkpoint.source.elementCount }
  private var bytes: Int { checkpoint.source.byteCount }

  var json: JSONValue {
    .members([
      "path": .string(path),
      "format": .string(checkpoint.format),
      "tensors": tensors.json,
      "parameters": .integer(parameters),
      "bytes": .integer(bytes),
      "shards": .integer(checkpoint.shardCount),
      "metadata": .texts(checkpoint.metadata),
      "warnings": .array(warnings.map(JSONValue.string)),
    ])
  }

  var text: String {
    let shards = checkpoint.shardCount == 1 ? "" : " in \(checkpoint.shardCount) shards"
    let metadata = MetadataLines.of(checkpoint.metadata).map { $0 + "\n" }.joined()
    return """
      \(Style.bold(path.escapedForTerminal)): \(checkpoint.format)
      \(checkpoint.source.tensors.count) tensors\(shards), \(parameters) parameters, \
      \(Format.bytes(bytes))
      \(metadata)
      \(tensors.text)
      """
  }
}
