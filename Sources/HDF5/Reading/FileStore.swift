internal import ByteIO
internal import Synchronization

/// What the datasets of an open file share: the file, decoded chunks, decoders that are idle.
final class FileStore: Sendable {
  let image: FileImage
  /// The file's name in messages.
  let path: String
  let cache: ChunkCache

  private struct Idle: @unchecked Sendable { var decoders: [ChunkDecoder] = [] }
  private let idle = Mutex(Idle())

  init(_ file: ReadableFile, path: String, cacheLimit: Int) throws {
    image = try FileImage(file)
    self.path = path
    cache = ChunkCache(limit: cacheLimit)
  }

  /// Runs `body` with a decoder that no other thread uses.
  func withDecoder<Result>(_ body: (ChunkDecoder) throws -> Result) rethrows -> Result {
    let decoder =
      idle.withLock { Idle(decoders: $0.decoders.popLast().map { [$0] } ?? []) }
      .decoders.first ?? ChunkDecoder()
    defer {
      let back = Idle(decoders: [decoder])
      idle.withLock { $0.decoders.append(contentsOf: back.decoders) }
    }
    return try body(decoder)
  }

  /// An error about an object of the file.
  func error(_ object: HDF5Object?, _ reason: HDF5Error.Reason) -> HDF5Error {
    HDF5Error(path: path, object: object, reason: reason)
  }
}
