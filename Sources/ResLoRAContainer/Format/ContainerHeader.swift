internal import ByteIO

/// The first 64 bytes of a file (Container §2).
struct ContainerHeader: Sendable, Equatable {
  var writeVersion = UInt16(ContainerFormat.version)
  var readVersion = UInt16(ContainerFormat.version)
  var requiredFeatures: UInt64 = 0
  var optionalFeatures: UInt64 = 0
  var fileLength: Int
  var directoryOffset: Int
  var chunkCount: Int
  var directoryChecksum: UInt32

  /// The header's bytes.
  var bytes: [UInt8] {
    var bytes = ContainerFormat.magic
    bytes += littleEndianBytes(writeVersion) + littleEndianBytes(readVersion) + [0, 0, 0, 0]
    bytes += littleEndianBytes(requiredFeatures) + littleEndianBytes(optionalFeatures)
    bytes += littleEndianBytes(UInt64(fileLength)) + littleEndianBytes(UInt64(directoryOffset))
    bytes += littleEndianBytes(UInt32(chunkCount)) + littleEndianBytes(directoryChecksum)
    bytes += [0, 0, 0, 0]
    return unsafe bytes + littleEndianBytes(bytes.withUnsafeBytes { unsafe CRC32.of($0) })
  }
}

extension ContainerHeader {
  /// Reads and checks a header, in the order of Container §2.2.
  init(of file: ReadableFile, _ faults: inout FaultHandler) throws {
    let bytes = try file.bytes(at: 0, count: min(file.size, ContainerFormat.headerSize))
    try ContainerHeader.checkMagic(bytes, faults)
    guard bytes.count == ContainerFormat.headerSize else {
      throw faults.failure(.tooShort(found: bytes.count))
    }
    let checksum = unsafe bytes.withUnsafeBytes {
      unsafe CRC32.of(UnsafeRawBufferPointer(rebasing: $0[..<60]))
    }
    let stated = bytes.littleEndian(at: 60, as: UInt32.self)
    if checksum != stated {
      try faults.report(.headerChecksum(found: checksum, expected: stated))
    }
    writeVersion = bytes.littleEndian(at: 8, as: UInt16.self)
    readVersion = bytes.littleEndian(at: 10, as: UInt16.self)
    guard readVersion == ContainerFormat.version else {
      throw faults.failure(.unknownVersion(found: Int(readVersion)))
    }
    if writeVersion < readVersion {
      try faults.report(
        .writeVersion(found: Int(writeVersion), readVersion: Int(readVersion)))
    }
    requiredFeatures = bytes.littleEndian(at: 16, as: UInt64.self)
    guard requiredFeatures == 0 else {
      throw faults.failure(.unknownFeatures(found: requiredFeatures))
    }
    optionalFeatures = bytes.littleEndian(at: 24, as: UInt64.self)
    for offset in [12, 13, 14, 15, 56, 57, 58, 59] where bytes[offset] != 0 {
      try faults.report(.notZero(part: .header, offset: offset))
    }
    let length = bytes.littleEndian(at: 32, as: UInt64.self)
    guard length <= UInt64(file.size) else {
      throw faults.failure(.wrongLength(found: file.size, expected: length))
    }
    if length < UInt64(file.size) {
      // What the header describes may still be there.
      try faults.report(.wrongLength(found: file.size, expected: length))
    }
    fileLength = Int(length)
    chunkCount = Int(bytes.littleEndian(at: 48, as: UInt32.self))
    guard chunkCount <= ContainerFormat.maximumChunks else {
      throw faults.failure(.tooManyChunks(found: chunkCount))
    }
    let offset = bytes.littleEndian(at: 40, as: UInt64.self)
    let expected = fileLength - chunkCount * ContainerFormat.entrySize
    guard expected >= ContainerFormat.headerSize, offset == UInt64(expected) else {
      throw faults.failure(.directoryPlace(found: offset, expected: max(0, expected)))
    }
    directoryOffset = expected
    directoryChecksum = bytes.littleEndian(at: 52, as: UInt32.self)
  }

  private static func checkMagic(_ bytes: [UInt8], _ faults: FaultHandler) throws {
    let start = ContainerFormat.magic[..<ContainerFormat.magicStart]
    guard bytes.starts(with: start) else { throw faults.failure(.notAContainer) }
    guard bytes.prefix(8).elementsEqual(ContainerFormat.magic.prefix(bytes.count)) else {
      throw faults.failure(.damagedByTextTransfer)
    }
  }
}
