internal import ByteIO

/// What the directory says of a chunk (Container §3).
public struct ChunkInfo: Sendable, Equatable {
  /// The position in the directory, from 0.
  public let number: Int
  /// The type.
  public let type: ChunkType
  /// How the bytes are compressed.
  public let compression: ChunkCompression
  /// The width of the elements whose bytes are shuffled: 2, 4 or 8; 1 where nothing is.
  public let shuffle: Int
  /// The position in the file of the first stored byte.
  public let offset: Int
  /// The number of bytes in the file.
  public let storedLength: Int
  /// The number of bytes when decompressed.
  public let rawLength: Int

  let checksum: UInt32

  /// Whether the stored bytes are the raw ones.
  public var isStoredRaw: Bool { compression == .none && shuffle == 1 }

  /// The position after the last stored byte.
  var end: Int { offset + storedLength }
}

extension ChunkInfo {
  /// The CRC of what precedes the stored bytes in a chunk's checksum: its number and its type.
  static func checksumStart(number: Int, type: ChunkType) -> ContainerChecksum {
    var checksum = ContainerChecksum()
    checksum.append(littleEndianBytes(UInt32(number)) + type.bytes)
    return checksum
  }

  /// The chunk's checksum, given the CRC of its stored bytes alone.
  func checksum(ofStored stored: ContainerChecksum) -> UInt32 {
    var whole = ChunkInfo.checksumStart(number: number, type: type)
    whole.append(stored)
    return whole.value
  }
}
