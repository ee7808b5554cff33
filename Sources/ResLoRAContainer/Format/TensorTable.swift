internal import ByteIO
internal import Tensors

/// The content of the `TENS` chunks (Container §4.4).
struct TensorTable: Sendable {
  /// A tensor, its chunks and what its bytes must give.
  struct Entry: Sendable {
    let info: TensorInfo
    /// Its chunks, by their numbers among all chunks of the file.
    let chunks: Range<Int>
    let checksum: UInt32
    let digest: SHA256Digest
  }

  static let headSize = 40
  static let fixedEntrySize = 48

  var entries: [Entry] = []
  var identity: SHA256Digest

  /// The SHA-256 of all tensors, sorted by the bytes of their names (Container §4.6).
  static func identity(of tensors: [(info: TensorInfo, digest: SHA256Digest)]) -> SHA256Digest {
    var hasher = SHA256Hasher()
    for (info, digest) in tensors.sorted(by: { $0.info.name < $1.info.name }) {
      let name = Array(info.name.string.utf8)
      var bytes = littleEndianBytes(UInt16(name.count))
      bytes += [info.dtype.containerCode ?? 0, UInt8(info.shape.count)]
      for extent in info.shape { bytes += littleEndianBytes(UInt64(extent)) }
      bytes += name + digest.bytes
      unsafe bytes.withUnsafeBytes { unsafe hasher.update($0) }
    }
    return hasher.finish()
  }

  /// The table's bytes, in a file of which the first `DATA` chunk has this number.
  func bytes(firstDataChunk: Int) -> [UInt8] {
    var bytes = littleEndianBytes(UInt32(entries.count)) + [0, 0, 0, 0] + identity.bytes
    for entry in entries {
      let name = Array(entry.info.name.string.utf8)
      bytes += littleEndianBytes(UInt16(name.count))
      bytes += [entry.info.dtype.containerCode ?? 0, UInt8(entry.info.shape.count)]
      bytes += littleEndianBytes(UInt32(entry.chunks.lowerBound - firstDataChunk))
      bytes += littleEndianBytes(UInt32(entry.chunks.count))
      bytes += littleEndianBytes(entry.checksum)
      bytes += entry.digest.bytes
      for extent in entry.info.shape { bytes += littleEndianBytes(UInt64(extent)) }
      bytes += name
      bytes += [UInt8](repeating: 0, count: -bytes.count & 7)
    }
    return bytes
  }

  /// The size that the table of some tensors has.
  static func byteCount(of tensors: [TensorInfo]) -> Int {
    tensors.reduce(headSize) {
      $0 + fixedEntrySize + 8 * $1.shape.count + (($1.name.string.utf8.count + 7) & ~7)
    }
  }
}
