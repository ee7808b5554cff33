internal import ByteIO
internal import CZlib

/// Writes zip archives, right ones by default; every field can be made wrong.
package struct ZipBuilder {
  /// What one of an entry's two headers says.
  package struct Header {
    package var name: [UInt8]
    package var flags: UInt16
    package var method: UInt16
    package var checksum: UInt32
    package var compressedSize: UInt64
    package var size: UInt64
    package var extra: [UInt8] = []
    package var disk: UInt16 = 0
    /// Puts sizes and position into a 64-bit extra field.
    package var is64 = false
  }

  package struct Entry {
    package var local: Header
    package var central: Header
    package var data: [UInt8]
    /// The position that the directory gives; nil for the true one.
    package var offset: UInt64?
    package var localSignature: UInt32 = 0x0403_4b50
  }

  /// The record at the end, and its 64-bit form where `is64`; nil fields are filled in.
  package struct End {
    package var is64 = false
    package var hasPlaceholders = false
    package var disk: UInt16 = 0
    package var count: UInt64?
    package var count64: UInt64?
    package var size: UInt64?
    package var offset: UInt64?
    package var disks: UInt32 = 1
    package var record64Offset: UInt64?
    package var comment: [UInt8] = []
  }

  package var entries: [Entry] = []
  package var end = End()

  package init() {}

  /// Adds an entry as PyTorch writes it: stored, its sizes after the data.
  package mutating func add(_ name: String, _ content: [UInt8]) {
    var header = ZipBuilder.header(name, content, method: 0, data: content)
    header.flags = 0x0808
    var local = header
    local.checksum = 0
    local.compressedSize = 0
    local.size = 0
    entries.append(Entry(local: local, central: header, data: content))
  }

  /// Adds a compressed entry as Python's `zipfile` writes it: sizes before the data.
  package mutating func addDeflated(_ name: String, _ content: [UInt8]) {
    let data = ZipBuilder.deflate(content)
    let header = ZipBuilder.header(name, content, method: 8, data: data)
    entries.append(Entry(local: header, central: header, data: data))
  }

  /// Adds a stored entry with its sizes before the data.
  package mutating func addPlain(_ name: String, _ content: [UInt8]) {
    let header = ZipBuilder.header(name, content, method: 0, data: content)
    entries.append(Entry(local: header, central: header, data: content))
  }

  private static func header(
    _ name: String, _ content: [UInt8], method: UInt16, data: [UInt8]
  ) -> Header {
    Header(
      name: Array(name.utf8), flags: 0, method: method, checksum: checksum(content),
      compressedSize: UInt64(data.count), size: UInt64(content.count))
  }

  /// The archive.
  package func build() -> [UInt8] {
    var body: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      let offset = entry.offset ?? UInt64(body.count)
      body += ZipBuilder.local(entry)
      directory += ZipBuilder.central(entry.central, offset: offset)
    }
    return body + directory + endRecords(directory: directory.count, at: body.count)
  }

  private static func local(_ entry: Entry) -> [UInt8] {
    let header = entry.local
    var extra = header.extra
    if header.is64 {
      extra += little(1 as UInt16, 16 as UInt16, header.size, header.compressedSize)
    }
    return little(entry.localSignature, 20 as UInt16, header.flags, header.method, 0 as UInt32)
      + sizes(header)
      + little(UInt16(header.name.count), UInt16(extra.count)) + header.name + extra + entry.data
      + (header.flags & 8 == 0 ? [] : little(0x0807_4b50 as UInt32) + sizes(entry.central))
  }

  private static func central(_ header: Header, offset: UInt64) -> [UInt8] {
    var extra = header.extra
    if header.is64 {
      extra += little(1 as UInt16, 24 as UInt16, header.size, header.compressedSize, offset)
    }
    return little(0x0201_4b50 as UInt32, 20 as UInt16, 20 as UInt16, header.flags, header.method)
      + little(0 as UInt32) + sizes(header)
      + little(UInt16(header.name.count), UInt16(extra.count), 0 as UInt16, header.disk)
      + little(0 as UInt16, 0 as UInt32)
      + little(header.is64 ? UInt32.max : UInt32(truncatingIfNeeded: offset)) + header.name + extra
  }

  private static func sizes(_ header: Header) -> [UInt8] {
    little(
      header.checksum,
      header.is64 ? UInt32.max : UInt32(truncatingIfNeeded: header.compressedSize),
      header.is64 ? UInt32.max : UInt32(truncatingIfNeeded: header.size))
  }

  private func endRecords(directory size: Int, at offset: Int) -> [UInt8] {
    let count = end.count ?? UInt64(entries.count)
    let directorySize = end.size ?? UInt64(size)
    let directoryOffset = end.offset ?? UInt64(offset)
    var bytes: [UInt8] = []
    if end.is64 {
      let count64 = end.count64 ?? count
      bytes += little(0x0606_4b50 as UInt32, 44 as UInt64, 45 as UInt16, 45 as UInt16)
      bytes += little(0 as UInt32, 0 as UInt32, count64, count64, directorySize, directoryOffset)
      bytes += little(0x0706_4b50 as UInt32, 0 as UInt32)
      bytes += little(end.record64Offset ?? UInt64(offset + size), end.disks)
    }
    let isHidden = end.hasPlaceholders
    let shortCount = isHidden ? UInt16.max : UInt16(truncatingIfNeeded: count)
    return bytes + little(0x0605_4b50 as UInt32, end.disk, 0 as UInt16, shortCount, shortCount)
      + little(isHidden ? .max : UInt32(truncatingIfNeeded: directorySize))
      + little(isHidden ? .max : UInt32(truncatingIfNeeded: directoryOffset))
      + little(UInt16(end.comment.count)) + end.comment
  }

  /// The CRC-32 of a content.
  package static func checksum(_ content: [UInt8]) -> UInt32 {
    var checksum = CRC32()
    content.withUnsafeBytes { checksum.update($0) }
    return checksum.value
  }

  /// Raw deflate data: zlib's without its two bytes of header and four of checksum.
  package static func deflate(_ content: [UInt8]) -> [UInt8] {
    var size = compressBound(uLong(content.count))
    var data = [UInt8](repeating: 0, count: Int(size))
    let status = compress2(&data, &size, content, uLong(content.count), 9)
    precondition(status == Z_OK)
    return Array(data[2..<(Int(size) - 4)])
  }
}

/// The bytes of integers, little-endian, one after the other.
package func little<each Value: FixedWidthInteger>(_ values: repeat each Value) -> [UInt8] {
  var bytes: [UInt8] = []
  func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
  repeat append(each values)
  return bytes
}
