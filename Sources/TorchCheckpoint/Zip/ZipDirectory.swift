internal import ByteIO

/// Reads the list of entries at the end of a zip archive.
struct ZipDirectory {
  /// An entry as the list declares it, before its own header was looked at.
  struct Record {
    let name: String
    let flags: UInt16
    let method: ZipEntry.Method
    let checksum: UInt32
    let compressedSize: UInt64
    let size: UInt64
    let headerOffset: UInt64

    /// Whether the sizes follow the content, so that the entry's own header need not know them.
    var hasDescriptor: Bool { flags & ZipDirectory.descriptorFlag != 0 }
  }

  static let placeholder = UInt64(UInt32.max)

  fileprivate static let descriptorFlag: UInt16 = 1 << 3
  // Sizes follow the data; names are UTF-8; how hard deflate tried: none changes what is read.
  private static let harmlessFlags = descriptorFlag | 1 << 11 | 1 << 1 | 1 << 2
  private static let encryptionFlags: UInt16 = 1 << 0 | 1 << 6 | 1 << 13
  private static let headerSize = 46
  /// Deflate's shortest code for its longest match: 258 bytes from 2 bits.
  private static let highestRatio: UInt64 = 1032

  /// Where the list begins, which is where the last entry has to have ended.
  let offset: Int
  let records: [Record]

  /// Reads and checks the list.
  ///
  /// - Throws: `ZipProblem`, and the errors of reading.
  init(of file: ReadableFile) throws {
    let end = try ZipEndRecord(of: file)
    let bytes = try file.bytes(at: end.directoryOffset, count: end.directorySize)
    offset = end.directoryOffset
    var records: [Record] = []
    var names: Set<[UInt8]> = []
    var position = 0
    for number in 0..<end.entryCount {
      let record = try ZipDirectory.record(
        in: bytes, at: &position, number: number, count: end.entryCount)
      guard names.insert(record.name.utf8.map(\.lowercased)).inserted else {
        throw ZipProblem.duplicateName(record.name)
      }
      records.append(record)
    }
    guard position == bytes.count else {
      throw ZipProblem.directoryDamaged(entry: end.entryCount, count: end.entryCount)
    }
    self.records = records
  }

  private static func record(
    in bytes: [UInt8], at position: inout Int, number: Int, count: Int
  ) throws(ZipProblem) -> Record {
    let start = position
    guard bytes.count - start >= headerSize,
      bytes.littleEndian(at: start, as: UInt32.self) == 0x0201_4b50
    else { throw .directoryDamaged(entry: number, count: count) }
    let nameStart = start + headerSize
    let extraStart = nameStart + Int(bytes.littleEndian(at: start + 28, as: UInt16.self))
    let extraEnd = extraStart + Int(bytes.littleEndian(at: start + 30, as: UInt16.self))
    position = extraEnd + Int(bytes.littleEndian(at: start + 32, as: UInt16.self))
    guard position <= bytes.count else { throw .directoryDamaged(entry: number, count: count) }
    guard let name = String(validating: bytes[nameStart..<extraStart], as: UTF8.self) else {
      throw .nameNotUTF8(entry: number)
    }
    let flags = bytes.littleEndian(at: start + 8, as: UInt16.self)
    let method = try method(bytes.littleEndian(at: start + 10, as: UInt16.self), flags, name)
    var size = UInt64(bytes.littleEndian(at: start + 24, as: UInt32.self))
    var compressedSize = UInt64(bytes.littleEndian(at: start + 20, as: UInt32.self))
    var headerOffset = UInt64(bytes.littleEndian(at: start + 42, as: UInt32.self))
    var disk = bytes.littleEndian(at: start + 34, as: UInt16.self)
    var extra = try ZipExtraField(Array(bytes[extraStart..<extraEnd]), entry: name)
    if size == placeholder { size = try extra.next(UInt64.self) }
    if compressedSize == placeholder { compressedSize = try extra.next(UInt64.self) }
    if headerOffset == placeholder { headerOffset = try extra.next(UInt64.self) }
    if disk == .max { disk = try extra.next(UInt32.self) == 0 ? 0 : .max }
    guard disk == 0 else { throw .severalDisks }
    try checkSizes(method, compressedSize, size, name)
    return Record(
      name: name, flags: flags, method: method,
      checksum: bytes.littleEndian(at: start + 16, as: UInt32.self),
      compressedSize: compressedSize, size: size, headerOffset: headerOffset)
  }

  private static func method(
    _ code: UInt16, _ flags: UInt16, _ name: String
  ) throws(ZipProblem) -> ZipEntry.Method {
    guard flags & encryptionFlags == 0 else { throw .encrypted(entry: name) }
    guard flags & ~harmlessFlags == 0 else {
      throw .unsupportedFlags(entry: name, found: flags)
    }
    guard let method = ZipEntry.Method(rawValue: code) else {
      throw .unsupportedMethod(entry: name, found: code)
    }
    return method
  }

  private static func checkSizes(
    _ method: ZipEntry.Method, _ compressedSize: UInt64, _ size: UInt64, _ name: String
  ) throws(ZipProblem) {
    switch method {
    case .stored:
      guard compressedSize == size else {
        throw .storedSizesDiffer(entry: name, found: compressedSize, expected: size)
      }
    case .deflated:
      let (limit, overflow) = compressedSize.multipliedReportingOverflow(by: highestRatio)
      guard overflow || size <= limit else {
        throw .impossibleSize(entry: name, found: size, limit: limit)
      }
    }
  }
}

extension UInt8 {
  /// The letter in lower case, other bytes as they are.
  fileprivate var lowercased: UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
  }
}
