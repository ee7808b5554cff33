internal import ByteIO
internal import Tensors

/// The numbers of the format (Undo §1, §2).
enum UndoFormat {
  static let magic: [UInt8] = [0x89, 0x52, 0x4C, 0x55, 0x0D, 0x0A, 0x1A, 0x0A]
  /// The bytes of the magic that transfers in text mode leave alone.
  static let magicStart = 4
  static let version = 1
  static let headerSize = 64
  static let entrySize = 32
  static let maximumChunks = 4_000_000
  static let maximumRawLength = 16 << 20
  static let maximumDescriptionLength = 256 << 20
  static let maximumFiles = 100_000
  static let maximumFileNameSize = 255
}

/// What the directory says of a chunk (Undo §3).
struct UndoChunk: Sendable, Equatable {
  /// Types of chunks (Undo §3.1).
  static let base = Array("BASE".utf8)
  static let span = Array("SPAN".utf8)

  var type: [UInt8]
  /// Whether the stored bytes are a zstd frame.
  var isCompressed: Bool
  /// The width of the elements whose bytes are shuffled; 1 where nothing is.
  var shuffle: Int
  var storedLength: Int
  var rawLength: Int
  /// The CRC of the stored bytes.
  var checksum: UInt32
  /// The number of the changed tensor, and the position in it of a span's first byte.
  var tensor: Int
  var offset: Int
  /// The position in the file of the first stored byte; not part of the entry.
  var position: Int

  /// Whether a reader that does not know the type must refuse the file.
  var isCritical: Bool { type[0] & 0x20 == 0 }

  /// The entry's bytes.
  var bytes: [UInt8] {
    type + [isCompressed ? 2 : 0, UInt8(shuffle), 0, 0]
      + littleEndianBytes(UInt32(storedLength)) + littleEndianBytes(UInt32(rawLength))
      + littleEndianBytes(checksum) + littleEndianBytes(UInt32(tensor))
      + littleEndianBytes(UInt64(offset))
  }
}

/// The first 64 bytes of a file (Undo §2).
struct UndoHeader: Sendable, Equatable {
  var fileLength: Int
  var directoryOffset: Int
  var chunkCount: Int
  var directoryChecksum: UInt32

  /// The header's bytes.
  var bytes: [UInt8] {
    let version = littleEndianBytes(UInt16(UndoFormat.version))
    var bytes = UndoFormat.magic + version + version + [0, 0, 0, 0]
    bytes += [UInt8](repeating: 0, count: 16)
    bytes += littleEndianBytes(UInt64(fileLength)) + littleEndianBytes(UInt64(directoryOffset))
    bytes += littleEndianBytes(UInt32(chunkCount)) + littleEndianBytes(directoryChecksum)
    bytes += [0, 0, 0, 0]
    return unsafe bytes + littleEndianBytes(bytes.withUnsafeBytes { unsafe CRC32.of($0) })
  }
}

extension UndoHeader {
  /// Reads and checks a header, in the order of Undo §2.2.
  init(of file: ReadableFile) throws {
    func failure(_ problem: UndoError.Problem) -> UndoError {
      UndoError(path: file.path, problem: problem)
    }
    let bytes = try file.bytes(at: 0, count: min(file.size, UndoFormat.headerSize))
    guard bytes.starts(with: UndoFormat.magic.prefix(UndoFormat.magicStart)) else {
      throw failure(.notAnUndoFile)
    }
    guard bytes.prefix(8).elementsEqual(UndoFormat.magic.prefix(bytes.count)) else {
      throw failure(.damagedByTextTransfer)
    }
    guard bytes.count == UndoFormat.headerSize else {
      throw failure(.wrongLength(found: file.size, expected: UInt64(UndoFormat.headerSize)))
    }
    let checksum = unsafe bytes.withUnsafeBytes {
      unsafe CRC32.of(UnsafeRawBufferPointer(rebasing: $0[..<60]))
    }
    guard checksum == bytes.littleEndian(at: 60, as: UInt32.self) else {
      throw failure(.checksum(part: "header"))
    }
    let version = Int(bytes.littleEndian(at: 10, as: UInt16.self))
    guard version == UndoFormat.version else { throw failure(.unknownVersion(found: version)) }
    guard bytes.littleEndian(at: 8, as: UInt16.self) >= UInt16(version) else {
      throw failure(.malformed("a write version before the read version", rule: "§2"))
    }
    let features = bytes.littleEndian(at: 16, as: UInt64.self)
    guard features == 0 else { throw failure(.unknownFeatures(found: features)) }
    guard bytes[12..<16].allSatisfy({ $0 == 0 }), bytes[56..<60].allSatisfy({ $0 == 0 }) else {
      throw failure(.malformed("a reserved byte of the header that is not zero", rule: "§2"))
    }
    let length = bytes.littleEndian(at: 32, as: UInt64.self)
    guard length == UInt64(file.size) else {
      throw failure(.wrongLength(found: file.size, expected: length))
    }
    let count = Int(bytes.littleEndian(at: 48, as: UInt32.self))
    guard count <= UndoFormat.maximumChunks else {
      throw failure(.tooMany("chunks", found: count, limit: UndoFormat.maximumChunks))
    }
    let directory = file.size - count * UndoFormat.entrySize
    guard directory >= UndoFormat.headerSize,
      bytes.littleEndian(at: 40, as: UInt64.self) == UInt64(directory)
    else { throw failure(.malformed("a directory that is not at the end", rule: "§2")) }
    fileLength = file.size
    directoryOffset = directory
    chunkCount = count
    directoryChecksum = bytes.littleEndian(at: 52, as: UInt32.self)
  }
}
