public import ByteIO
public import Safetensors
internal import Tensors

/// Base weights opened for reading.
public struct BaseCheckpoint: Sendable {
  /// The tensors.
  public let source: any FileBackedTensorSource
  /// What is odd but harmless, one line each.
  public let warnings: [String]

  /// Opens one safetensors file, or a folder of shards with its index.
  ///
  /// - Parameter threads: how many headers to read at once.
  /// - Throws: `AdapterError.notACheckpoint`, errors of the formats.
  public init(path: String, threads: Int = 1) throws {
    if try Paths.kind(of: path) == .folder {
      let checkpoint = try ShardedCheckpoint(folder: path, threads: threads)
      source = checkpoint
      warnings = checkpoint.warnings
    } else {
      source = try BaseCheckpoint.file(path: path)
      warnings = []
    }
  }

  /// Opens one safetensors file, and says what another file is.
  ///
  /// - Throws: `AdapterError.notACheckpoint`, errors of the format.
  public static func file(path: String) throws -> SafetensorsFile {
    let file = try ReadableFile(path: path)
    if let other = try InputProbe.otherThanSafetensors(file) {
      throw AdapterError.notACheckpoint(source: path, found: other)
    }
    return try SafetensorsFile(file: file)
  }
}
