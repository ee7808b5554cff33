internal import CZlib

/// The CRC-32 of zip archives (polynomial 0xEDB88320), computed piece by piece.
package struct CRC32: Sendable {
  private var state: UInt = 0

  /// Starts with no bytes.
  package init() {}

  /// Takes in the next bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    state = UInt(crc32_z(uLong(state), start.assumingMemoryBound(to: UInt8.self), bytes.count))
  }

  /// The checksum of all bytes so far.
  package var value: UInt32 { UInt32(truncatingIfNeeded: state) }
}
