public import ByteIO
internal import Safetensors
internal import Tensors

/// Base weights opened for reading.
public struct BaseCheckpoint: Sendable {
  /// The tensors.
  public let source: any FileBackedTensorSource
  /// What is odd but harmless, one line each.
  public let warnings: [String]

  /// Opens one safetensors file, or a folder of shards with its index.
  ///
  /// - Throws: errors of the formats.
  public init(path: String) throws {
    if try Paths.kind(of: path) == .folder {
      let checkpoint = try ShardedCheckpoint(folder: path)
      source = checkpoint
      warnings = checkpoint.warnings
    } else {
      source = try SafetensorsFile(path: path)
      warnings = []
    }
  }
}
