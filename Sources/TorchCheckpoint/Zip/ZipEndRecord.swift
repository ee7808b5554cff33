internal import ByteIO

/// The record at the end of a zip archive that says where the list of its entries lies; with its
/// 64-bit form where there is one.
struct ZipEndRecord {
  let entryCount: Int
  let directoryOffset: Int
  let directorySize: Int

  private static let size = 22
  private static let locatorSize = 20
  private static let size64 = 56

  /// Finds and checks the record, reading at most the last 64 KiB.
  ///
  /// - Throws: `ZipProblem`, and the errors of reading.
  init(of file: ReadableFile) throws {
    let tailSize = min(file.size, ZipEndRecord.size + Int(UInt16.max))
    let tail = try file.bytes(at: file.size - tailSize, count: tailSize)
    guard let start = ZipEndRecord.find(in: tail) else { throw ZipProblem.noEndRecord }

    let position = file.size - tailSize + start
    guard tail.integer(UInt16.self, at: start + 4) == 0,
      tail.integer(UInt16.self, at: start + 6) == 0
    else { throw ZipProblem.severalDisks }
    let fields = Fields(
      entriesHere: UInt64(tail.integer(UInt16.self, at: start + 8)),
      entries: UInt64(tail.integer(UInt16.self, at: start + 10)),
      size: UInt64(tail.integer(UInt32.self, at: start + 12)),
      offset: UInt64(tail.integer(UInt32.self, at: start + 16)))

    if let record = try ZipEndRecord.record64(in: file, before: position) {
      try fields.check(against: record.fields)
      try self.init(record.fields, end: record.position)
    } else {
      guard !fields.referToRecord64 else { throw ZipProblem.zip64RecordMissing }
      try self.init(fields, end: position)
    }
  }

  private init(_ fields: Fields, end: Int) throws {
    guard fields.entriesHere == fields.entries else { throw ZipProblem.severalDisks }
    guard fields.entries <= UInt64(ZipArchive.maximumEntries) else {
      throw ZipProblem.tooManyEntries(found: fields.entries, limit: ZipArchive.maximumEntries)
    }
    guard fields.offset <= UInt64(end), fields.size <= UInt64(end) - fields.offset else {
      throw ZipProblem.directoryOutsideFile(
        offset: fields.offset, length: fields.size, available: end)
    }
    guard fields.size <= UInt64(ZipArchive.maximumDirectorySize) else {
      throw ZipProblem.directoryTooLarge(
        found: Int(fields.size), limit: ZipArchive.maximumDirectorySize)
    }
    entryCount = Int(fields.entries)
    directoryOffset = Int(fields.offset)
    directorySize = Int(fields.size)
  }

  /// The last position whose record's comment ends with the file.
  private static func find(in tail: [UInt8]) -> Int? {
    guard tail.count >= size else { return nil }
    return stride(from: tail.count - size, through: 0, by: -1).first { start in
      tail.integer(UInt32.self, at: start) == 0x0605_4b50
        && Int(tail.integer(UInt16.self, at: start + 20)) == tail.count - size - start
    }
  }

  /// The 64-bit record, where a locator stands right before the end record.
  private static func record64(
    in file: ReadableFile, before end: Int
  ) throws -> (fields: Fields, position: Int)? {
    guard end >= locatorSize else { return nil }
    let locatorStart = end - locatorSize
    let locator = try file.bytes(at: locatorStart, count: locatorSize)
    guard locator.integer(UInt32.self, at: 0) == 0x0706_4b50 else { return nil }
    guard locator.integer(UInt32.self, at: 4) == 0, locator.integer(UInt32.self, at: 16) <= 1 else {
      throw ZipProblem.severalDisks
    }
    guard let position = Int(exactly: locator.integer(UInt64.self, at: 8)),
      locatorStart >= size64, position <= locatorStart - size64
    else { throw ZipProblem.zip64RecordMissing }
    let record = try file.bytes(at: position, count: size64)
    let length = record.integer(UInt64.self, at: 4)
    guard record.integer(UInt32.self, at: 0) == 0x0606_4b50, length >= 44,
      length <= UInt64(locatorStart - position - 12)
    else { throw ZipProblem.zip64RecordMissing }
    guard record.integer(UInt32.self, at: 16) == 0, record.integer(UInt32.self, at: 20) == 0 else {
      throw ZipProblem.severalDisks
    }
    let fields = Fields(
      entriesHere: record.integer(UInt64.self, at: 24),
      entries: record.integer(UInt64.self, at: 32),
      size: record.integer(UInt64.self, at: 40),
      offset: record.integer(UInt64.self, at: 48))
    return (fields, position)
  }

  /// What both forms of the record say.
  private struct Fields {
    let entriesHere: UInt64
    let entries: UInt64
    let size: UInt64
    let offset: UInt64

    /// Whether a field has the value that stands for "see the 64-bit record".
    var referToRecord64: Bool {
      entriesHere == 0xffff || entries == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff
    }

    func check(against wide: Fields) throws(ZipProblem) {
      for (field, found, expected, placeholder) in [
        ("the number of entries", entriesHere, wide.entriesHere, 0xffff),
        ("the number of entries", entries, wide.entries, 0xffff),
        ("the size of the directory", size, wide.size, 0xffff_ffff),
        ("the position of the directory", offset, wide.offset, 0xffff_ffff),
      ] as [(String, UInt64, UInt64, UInt64)] where found != placeholder && found != expected {
        throw .zip64RecordDiffers(field: field, found: found, expected: expected)
      }
    }
  }
}
