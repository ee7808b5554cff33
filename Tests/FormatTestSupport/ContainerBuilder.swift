internal import ByteIO
internal import Tensors

/// Containers as tests describe them, right or wrong, byte by byte from the Spec and without the
/// code under test.
package struct ContainerBuilder {
  package struct Chunk {
    package var type: String
    package var compression: UInt8 = 0
    package var shuffle: UInt8 = 1
    package var stored: [UInt8]
    /// The raw length, where it is not the stored one.
    package var raw: Int?
    /// The checksum, where it is to be another than the right one.
    package var checksum: UInt32?
    /// What follows the stored bytes instead of zeros.
    package var padding: [UInt8]?

    package init(
      _ type: String, _ stored: [UInt8], compression: UInt8 = 0, shuffle: UInt8 = 1,
      raw: Int? = nil, checksum: UInt32? = nil, padding: [UInt8]? = nil
    ) {
      self.type = type
      self.stored = stored
      self.compression = compression
      self.shuffle = shuffle
      self.raw = raw
      self.checksum = checksum
      self.padding = padding
    }
  }

  package struct Tensor {
    package var name: [UInt8]
    package var dtype: UInt8
    package var shape: [UInt64]
    package var raw: [UInt8]
    package var chunks: [Chunk]
    package var firstChunk: UInt32?
    package var chunkCount: UInt32?
    package var checksum: UInt32?
    package var digest: [UInt8]?

    /// A tensor in one uncompressed chunk.
    package init(
      _ name: String, dtype: UInt8 = 2, shape: [UInt64], raw: [UInt8], chunks: [Chunk]? = nil
    ) {
      self.name = Array(name.utf8)
      self.dtype = dtype
      self.shape = shape
      self.raw = raw
      self.chunks = chunks ?? (raw.isEmpty ? [] : [Chunk("DATA", raw)])
    }
  }

  package var description = Array(#"{"format":"reslora-adapter"}"#.utf8)
  package var tensors: [Tensor] = []
  package var ancillary: [Chunk] = []
  package var identity: [UInt8]?
  /// Changes the raw bytes of the table before it gets its checksum.
  package var editTable: (inout [UInt8]) -> Void = { _ in }
  /// Changes the chunks before they are laid out.
  package var editChunks: (inout [Chunk]) -> Void = { _ in }
  /// Changes the directory before it gets its checksum.
  package var editDirectory: (inout [UInt8]) -> Void = { _ in }
  /// Changes the header before it gets its checksum.
  package var editHeader: (inout [UInt8]) -> Void = { _ in }
  /// Changes the file last.
  package var editFile: (inout [UInt8]) -> Void = { _ in }

  package init() {}

  /// Container §1.
  package var bytes: [UInt8] {
    var chunks = [Chunk("ADPT", description)] + tensors.flatMap(\.chunks)
    chunks += [Chunk("TENS", table)] + ancillary
    editChunks(&chunks)
    var body: [UInt8] = []
    var directory: [UInt8] = []
    for (number, chunk) in chunks.enumerated() {
      let type = Array(chunk.type.utf8)
      let checksum = chunk.checksum ?? Self.crc(Self.number(number, 4) + type + chunk.stored)
      directory += type + [chunk.compression, chunk.shuffle, 0, 0]
      directory += Self.number(64 + body.count, 8) + Self.number(chunk.stored.count, 8)
      directory += Self.number(chunk.raw ?? chunk.stored.count, 8)
      directory += Self.number(Int(checksum), 4) + [0, 0, 0, 0]
      body += chunk.stored
      body += chunk.padding ?? [UInt8](repeating: 0, count: (64 - body.count % 64) % 64)
    }
    editDirectory(&directory)
    var header: [UInt8] = [0x89, 0x52, 0x4C, 0x52, 0x0D, 0x0A, 0x1A, 0x0A, 1, 0, 1, 0, 0, 0, 0, 0]
    header += [UInt8](repeating: 0, count: 16)
    header += Self.number(64 + body.count + directory.count, 8) + Self.number(64 + body.count, 8)
    header += Self.number(directory.count / 40, 4) + Self.number(Int(Self.crc(directory)), 4)
    header += [0, 0, 0, 0]
    editHeader(&header)
    var file = header + Self.number(Int(Self.crc(header)), 4) + body + directory
    editFile(&file)
    return file
  }

  /// Container §4.4.
  package var table: [UInt8] {
    var bytes = Self.number(tensors.count, 4) + [0, 0, 0, 0] + (identity ?? rightIdentity)
    var first = 0
    for tensor in tensors {
      bytes += Self.number(tensor.name.count, 2) + [tensor.dtype, UInt8(tensor.shape.count)]
      bytes += Self.number(Int(tensor.firstChunk ?? UInt32(first)), 4)
      bytes += Self.number(Int(tensor.chunkCount ?? UInt32(tensor.chunks.count)), 4)
      bytes += Self.number(Int(tensor.checksum ?? Self.crc(tensor.raw)), 4)
      bytes += tensor.digest ?? Self.sha256(tensor.raw)
      for extent in tensor.shape { bytes += Self.number(Int(bitPattern: UInt(extent)), 8) }
      bytes += tensor.name
      while bytes.count % 8 != 0 { bytes.append(0) }
      first += tensor.chunks.count
    }
    editTable(&bytes)
    return bytes
  }

  /// Container §4.6.
  package var rightIdentity: [UInt8] {
    var text: [UInt8] = []
    for tensor in tensors.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
      text += Self.number(tensor.name.count, 2) + [tensor.dtype, UInt8(tensor.shape.count)]
      for extent in tensor.shape { text += Self.number(Int(bitPattern: UInt(extent)), 8) }
      text += tensor.name + (tensor.digest ?? Self.sha256(tensor.raw))
    }
    return Self.sha256(text)
  }

  // MARK: Examples

  /// A container of two small tensors: `a`, F32 [2, 2], and `b`, BF16 [3].
  package static var small: ContainerBuilder {
    var builder = ContainerBuilder()
    builder.tensors = [
      Tensor("a", shape: [2, 2], raw: (0..<16).map { UInt8($0) }),
      Tensor("b", dtype: 4, shape: [3], raw: [0x80, 0x3F, 0, 0xC0, 1, 2]),
    ]
    return builder
  }

  // MARK: Parts

  /// A number in `count` bytes, lowest first.
  package static func number(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// CRC-32, a table of its own.
  package static func crc(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crc, byte in crc >> 8 ^ table[Int(UInt8(crc & 0xFF) ^ byte)] }
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in
      value & 1 != 0 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
    }
  }

  package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    bytes.withUnsafeBytes { SHA256Digest.bytes(of: $0) }
  }

  /// Container §3.3.
  package static func shuffled(_ bytes: [UInt8], width: Int) -> [UInt8] {
    let count = bytes.count / width
    var result = bytes
    for index in bytes.indices { result[index % width * count + index / width] = bytes[index] }
    return result
  }
}

extension SHA256Digest {
  fileprivate static func bytes(of text: UnsafeRawBufferPointer) -> [UInt8] {
    SHA256Hasher.digest(of: text).bytes
  }
}
