internal import CDeflate

/// The CRC-32 of zip archives, gzip and containers (polynomial 0xEDB88320), computed piece by piece.
package struct CRC32: Sendable {
  /// The checksum of all bytes so far.
  package private(set) var value: UInt32 = 0

  /// Starts with no bytes.
  package init() {}

  /// Takes in the next bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    value = unsafe libdeflate_crc32(value, start, bytes.count)
  }

  /// The checksum of some bytes.
  package static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var checksum = CRC32()
    unsafe checksum.update(bytes)
    return checksum.value
  }
}
