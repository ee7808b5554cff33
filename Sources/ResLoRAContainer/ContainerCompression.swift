/// How a writer compresses (Container §3.2, §3.3). Whatever is asked for, a chunk is compressed
/// only where that makes it smaller.
public enum ContainerCompression: String, Sendable, CaseIterable {
  /// Byte shuffle by the width of the elements and zstd at level 1, kept for each chunk that it
  /// makes smaller by 1/32 of its size or more, and by 64 bytes or more.
  ///
  /// What saves less is not worth the time of a reader, who uses uncompressed tensors in place.
  /// Level 1 because higher levels look longer for repetitions, of which the shuffled mantissas
  /// of floating-point factors have none: on normal and uniform float32 levels 2 to 7 make larger
  /// files at a half to an eighth of the speed.
  case automatic
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
