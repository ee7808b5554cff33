internal import ByteIO
internal import Tensors

/// The part of a journal that never changes: which fold of which files it is about (In place §2).
struct JournalHead: Sendable, Equatable {
  /// A file as it was when the fold began.
  struct File: Sendable, Equatable {
    let name: String
    let size: Int
    let inode: UInt64
  }

  static let magic: [UInt8] = [0x89, 0x52, 0x4C, 0x4A, 0x0D, 0x0A, 0x1A, 0x0A]
  static let version = 1
  /// The parts of a journal begin at multiples of this, so that no write tears two of them.
  static let pageSize = 4096
  static let maximumSize = 128 << 20

  let fingerprint: SHA256Digest
  let groupCount: Int
  let command: String
  let state: [UInt8]
  let files: [File]

  /// The bytes, filled up to whole pages.
  var bytes: [UInt8] {
    var tail = Array(command.utf8) + state
    for file in files {
      tail += littleEndianBytes(UInt64(file.size)) + littleEndianBytes(file.inode)
      tail += littleEndianBytes(UInt16(file.name.utf8.count)) + [0, 0, 0, 0, 0, 0]
      tail += Array(file.name.utf8)
    }
    var bytes = JournalHead.magic
    bytes += littleEndianBytes(UInt16(JournalHead.version)) + [0, 0]
    bytes += littleEndianBytes(UInt32(72 + tail.count + 32)) + fingerprint.bytes
    bytes += littleEndianBytes(UInt64(groupCount)) + littleEndianBytes(UInt32(files.count))
    bytes += littleEndianBytes(UInt32(command.utf8.count))
    bytes += littleEndianBytes(UInt32(state.count)) + [0, 0, 0, 0] + tail
    bytes += SHA256Hasher.digest(of: bytes).bytes
    let rest = bytes.count % JournalHead.pageSize
    return bytes + [UInt8](repeating: 0, count: rest == 0 ? 0 : JournalHead.pageSize - rest)
  }
}

extension JournalHead {
  /// Reads and checks the head of a journal; with it, the number of its bytes in whole pages.
  static func read(
    path: String, size: Int, _ bytes: (_ offset: Int, _ count: Int) throws -> [UInt8]
  ) throws -> (head: JournalHead, size: Int) {
    func damaged(_ what: String) -> InPlaceError { .damaged(journal: path, what: what) }
    let start = try bytes(0, min(size, 72))
    guard start.count == 72, start.starts(with: magic) else {
      throw damaged("it does not begin as one")
    }
    let version = Int(start.littleEndian(at: 8, as: UInt16.self))
    guard version == JournalHead.version else {
      throw InPlaceError.unknownVersion(journal: path, found: version)
    }
    let length = Int(start.littleEndian(at: 12, as: UInt32.self))
    guard length >= 104, length <= min(size, maximumSize) else { throw damaged("its length") }
    let all = try bytes(0, length)
    let content = all.dropLast(32)
    guard
      unsafe content.withUnsafeBytes({ unsafe SHA256Hasher.digest(of: $0) }).bytes
        == Array(all.suffix(32))
    else { throw damaged("the checksum of its head") }
    guard let head = JournalHead(parsing: Array(content)) else { throw damaged("its head") }
    return (head, (length + pageSize - 1) / pageSize * pageSize)
  }

  /// Parses what the checksum covers.
  private init?(parsing bytes: [UInt8]) {
    func length(_ offset: Int) -> Int { Int(bytes.littleEndian(at: offset, as: UInt32.self)) }
    guard let fingerprint = SHA256Digest(bytes: Array(bytes[16..<48])),
      let groupCount = Int(exactly: bytes.littleEndian(at: 48, as: UInt64.self))
    else { return nil }
    var position = 72
    func take(_ count: Int) -> [UInt8]? {
      guard count <= bytes.count - position else { return nil }
      defer { position += count }
      return Array(bytes[position..<(position + count)])
    }
    guard let text = take(length(60)), let command = String(validating: text, as: UTF8.self),
      let state = take(length(64))
    else { return nil }
    var files: [File] = []
    for _ in 0..<length(56) {
      guard let entry = take(24),
        let size = Int(exactly: entry.littleEndian(at: 0, as: UInt64.self)),
        let text = take(Int(entry.littleEndian(at: 16, as: UInt16.self))),
        let name = String(validating: text, as: UTF8.self)
      else { return nil }
      files.append(File(name: name, size: size, inode: entry.littleEndian(at: 8, as: UInt64.self)))
    }
    guard position == bytes.count else { return nil }
    self.init(
      fingerprint: fingerprint, groupCount: groupCount, command: command, state: state,
      files: files)
  }
}
