import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

extension TestShards {
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
