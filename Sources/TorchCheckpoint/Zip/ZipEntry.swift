/// One file inside a zip archive, as the archive's directory and the file's own header agree on.
package struct ZipEntry: Sendable, Equatable {
  /// How the content is stored.
  package enum Method: UInt16, Sendable {
    /// As it is.
    case stored = 0
    /// Compressed with deflate.
    case deflated = 8
  }

  /// The name, folders separated by slashes; never used as a path.
  package let name: String
  /// How the content is stored.
  package let method: Method
  /// The CRC-32 of the content.
  package let checksum: UInt32
  /// The bytes the content takes in the archive.
  package let compressedSize: Int
  /// The bytes of the content.
  package let size: Int
  /// Where the entry's own header begins in the archive.
  package let headerOffset: Int
  /// Where the stored content begins in the archive.
  package let dataOffset: Int

  /// One past the last byte of the stored content.
  package var end: Int { dataOffset + compressedSize }
}
