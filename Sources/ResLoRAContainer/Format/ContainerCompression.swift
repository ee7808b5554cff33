/// How a writer compresses (Container §3.2, §3.3). Whatever is asked for, a chunk is compressed
/// only where that makes it smaller.
public enum ContainerCompression: String, Sendable, CaseIterable {
  /// Byte shuffle by the width of the elements and zstd, kept for each chunk that it makes smaller
  /// by 1/32 of its size or more, and by 64 bytes or more.
  ///
  /// What saves less is not worth the time of a reader, who uses uncompressed tensors in place.
  /// zstd is set to look for hardly any repetitions, of which shuffled factors have none, and to
  /// give each plane of bytes an entropy code of its own: on normal and uniform float32 and
  /// bfloat16 that makes smaller files than any of its levels up to 7, twice as fast as level 1.
  case automatic = "auto"
  /// Nothing is compressed; every tensor can be used in place.
  case none
  /// Byte shuffle and a zlib stream, for readers without zstd.
  case zlib
  /// Byte shuffle and zstd wherever it makes a chunk smaller at all.
  case zstd
}

/// How the bytes of a chunk are stored (Container §3.2).
public enum ChunkCompression: UInt8, Sendable, CaseIterable {
  /// As they are.
  case none = 0
  /// As one zlib stream.
  case zlib = 1
  /// As one zstd frame.
  case zstd = 2
}

extension ChunkCompression: CustomStringConvertible {
  /// The name: `none`, `zlib` or `zstd`.
  public var description: String {
    switch self {
    case .none: "none"
    case .zlib: "zlib"
    case .zstd: "zstd"
    }
  }
}
