/// A chunk that readers may ignore, of whoever's making (Container §3.1).
public struct AncillaryChunk: Sendable {
  /// The type; its first letter is in lower case.
  public let type: ChunkType
  /// The number of raw bytes, at most 16 MiB.
  public let byteCount: Int

  private let read: @Sendable () throws -> [UInt8]

  /// Holds bytes. The type must be one of ancillary chunks.
  public init(type: ChunkType, bytes: [UInt8]) {
    self.init(type: type, byteCount: bytes.count) { bytes }
  }

  init(type: ChunkType, byteCount: Int, read: @escaping @Sendable () throws -> [UInt8]) {
    precondition(!type.isCritical, "\(type) is no type of an ancillary chunk")
    self.type = type
    self.byteCount = byteCount
    self.read = read
  }

  /// The raw bytes, read from their file where they lie in one.
  ///
  /// - Throws: `ContainerError`, errors of reading.
  public func bytes() throws -> [UInt8] { try read() }
}
