internal import ByteIO

/// Compares an entry's own header with what the directory says of it.
struct ZipLocalHeader {
  private let record: ZipDirectory.Record
  private let header: [UInt8]

  private static let size = 30

  /// Reads the header of an entry and gives the entry its place.
  ///
  /// - Throws: `ZipProblem` where the two disagree, or the content would not end before `limit`.
  static func entry(
    for record: ZipDirectory.Record, in file: ReadableFile, before limit: Int
  ) throws -> ZipEntry {
    let nameSize = record.name.utf8.count
    guard limit >= size + nameSize, record.headerOffset <= UInt64(limit - size - nameSize) else {
      throw outside(record, record.headerOffset, UInt64(size + nameSize), limit)
    }
    let headerOffset = Int(record.headerOffset)
    let header = ZipLocalHeader(
      record: record, header: try file.bytes(at: headerOffset, count: size + nameSize))
    try header.check(in: file, at: headerOffset, before: limit)
    let dataOffset = headerOffset + size + nameSize + header.extraSize
    guard dataOffset <= limit, record.compressedSize <= UInt64(limit - dataOffset) else {
      throw outside(record, UInt64(dataOffset), record.compressedSize, limit)
    }
    guard let contentSize = Int(exactly: record.size) else {
      throw outside(record, UInt64(dataOffset), record.size, limit)
    }
    return ZipEntry(
      name: record.name, method: record.method, checksum: record.checksum,
      compressedSize: Int(record.compressedSize), size: contentSize,
      headerOffset: headerOffset, dataOffset: dataOffset)
  }

  private var extraSize: Int { Int(header.littleEndian(at: 28, as: UInt16.self)) }

  private func check(in file: ReadableFile, at offset: Int, before limit: Int) throws {
    guard header.littleEndian(at: 0, as: UInt32.self) == 0x0403_4b50 else {
      throw ZipProblem.localHeaderMissing(entry: record.name, offset: offset)
    }
    try compare("flags", UInt64(header.littleEndian(at: 6, as: UInt16.self)), UInt64(record.flags))
    try compare(
      "method", UInt64(header.littleEndian(at: 8, as: UInt16.self)), UInt64(record.method.rawValue))
    let name = Array(record.name.utf8)
    try compare(
      "length of the name", UInt64(header.littleEndian(at: 26, as: UInt16.self)), UInt64(name.count)
    )
    guard header[ZipLocalHeader.size...].elementsEqual(name) else {
      throw ZipProblem.localNameDiffers(
        entry: record.name,
        found: String(decoding: header[ZipLocalHeader.size...], as: UTF8.self))
    }
    try checkSizes(in: file, at: offset, before: limit)
  }

  private func checkSizes(in file: ReadableFile, at offset: Int, before limit: Int) throws {
    let checksum = UInt64(header.littleEndian(at: 14, as: UInt32.self))
    var compressedSize = UInt64(header.littleEndian(at: 18, as: UInt32.self))
    var size = UInt64(header.littleEndian(at: 22, as: UInt32.self))
    let placeholder = ZipDirectory.placeholder
    if record.hasDescriptor {
      // A writer that streams does not know these yet.
      if checksum != 0 { try compare("checksum", checksum, UInt64(record.checksum)) }
      if ![0, placeholder].contains(compressedSize) {
        try compare("compressed size", compressedSize, record.compressedSize)
      }
      if ![0, placeholder].contains(size) { try compare("size", size, record.size) }
      return
    }
    if size == placeholder || compressedSize == placeholder {
      let extraStart = offset + header.count
      guard extraSize <= limit - extraStart else {
        throw ZipProblem.extraFieldDamaged(entry: record.name)
      }
      var extra = try ZipExtraField(
        file.bytes(at: extraStart, count: extraSize), entry: record.name)
      if size == placeholder { size = try extra.next(UInt64.self) }
      if compressedSize == placeholder { compressedSize = try extra.next(UInt64.self) }
    }
    try compare("checksum", checksum, UInt64(record.checksum))
    try compare("compressed size", compressedSize, record.compressedSize)
    try compare("size", size, record.size)
  }

  private func compare(_ field: String, _ found: UInt64, _ expected: UInt64) throws(ZipProblem) {
    guard found == expected else {
      throw .localHeaderDiffers(
        entry: record.name, field: field, found: found, expected: expected)
    }
  }

  private static func outside(
    _ record: ZipDirectory.Record, _ offset: UInt64, _ length: UInt64, _ limit: Int
  ) -> ZipProblem {
    .entryOutsideFile(entry: record.name, offset: offset, length: length, available: limit)
  }
}
