import ByteIO
import Tensors

/// Containers as tests describe them, right or wrong, byte by byte from the Spec and without the
/// code under test.
struct ContainerBuilder {
  struct Chunk {
    var type: String
    var compression: UInt8 = 0
    var shuffle: UInt8 = 1
    var stored: [UInt8]
    /// The raw length, where it is not the stored one.
    var raw: Int?
    /// The checksum, where it is to be another than the right one.
    var checksum: UInt32?
    /// What follows the stored bytes instead of zeros.
    var padding: [UInt8]?

    init(
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

  struct Tensor {
    var name: [UInt8]
    var dtype: UInt8
    var shape: [UInt64]
    var raw: [UInt8]
    var chunks: [Chunk]
    var firstChunk: UInt32?
    var chunkCount: UInt32?
    var checksum: UInt32?
    var digest: [UInt8]?

    /// A tensor in one uncompressed chunk.
    init(
      _ name: String, dtype: UInt8 = 2, shape: [UInt64], raw: [UInt8], chunks: [Chunk]? = nil
    ) {
      self.name = Array(name.utf8)
      self.dtype = dtype
      self.shape = shape
      self.raw = raw
      self.chunks = chunks ?? (raw.isEmpty ? [] : [Chunk("DATA", raw)])
    }
  }

  var description = Array(#"{"format":"reslora-adapter"}"#.utf8)
  var tensors: [Tensor] = []
  var ancillary: [Chunk] = []
  var identity: [UInt8]?
  /// Changes the raw bytes of the table before it gets its checksum.
  var editTable: (inout [UInt8]) -> Void = { _ in }
  /// Changes the chunks before they are laid out.
  var editChunks: (inout [Chunk]) -> Void = { _ in }
  /// Changes the directory before it gets its checksum.
  var editDirectory: (inout [UInt8]) -> Void = { _ in }
  /// Changes the header before it gets its checksum.
  var editHeader: (inout [UInt8]) -> Void = { _ in }
  /// Changes the file last.
  var editFile: (inout [UInt8]) -> Void = { _ in }

  /// Container §1.
  var bytes: [UInt8] {
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
  var table: [UInt8] {
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
  var rightIdentity: [UInt8] {
    var text: [UInt8] = []
    for tensor in tensors.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
      text += Self.number(tensor.name.count, 2) + [tensor.dtype, UInt8(tensor.shape.count)]
      for extent in tensor.shape { text += Self.number(Int(bitPattern: UInt(extent)), 8) }
      text += tensor.name + (tensor.digest ?? Self.sha256(tensor.raw))
    }
    return Self.sha256(text)
  }

  // MARK: Parts

  /// A number in `count` bytes, lowest first.
  static func number(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// CRC-32, a table of its own.
  static func crc(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crc, byte in crc >> 8 ^ table[Int(UInt8(crc & 0xFF) ^ byte)] }
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in
      value & 1 != 0 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
    }
  }

  static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    bytes.withUnsafeBytes { SHA256Digest.bytes(of: $0) }
  }

  /// Container §3.3.
  static func shuffled(_ bytes: [UInt8], width: Int) -> [UInt8] {
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
