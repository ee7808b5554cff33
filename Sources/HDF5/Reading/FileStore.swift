internal import ByteIO

/// What the datasets of an open file share: the file, decoded chunks, decoders that are idle.
final class FileStore: Sendable {
  let image: FileImage
  /// The file's name in messages.
  let path: String
  let cache: ChunkCache
  let decoders = IdlePool { ChunkDecoder() }

  init(_ file: ReadableFile, path: String, cacheLimit: Int) throws {
    image = try FileImage(file)
    self.path = path
    cache = ChunkCache(limit: cacheLimit)
  }

  /// An error about an object of the file.
  func error(_ object: HDF5Object?, _ reason: HDF5Error.Reason) -> HDF5Error {
    HDF5Error(path: path, object: object, reason: reason)
  }
}
