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
    guard tail.littleEndian(at: start + 4, as: UInt16.self) == 0,
      tail.littleEndian(at: start + 6, as: UInt16.self) == 0
    else { throw ZipProblem.severalDisks }
    let fields = Fields(
      entriesHere: UInt64(tail.littleEndian(at: start + 8, as: UInt16.self)),
      entries: UInt64(tail.littleEndian(at: start + 10, as: UInt16.self)),
      size: UInt64(tail.littleEndian(at: start + 12, as: UInt32.self)),
      offset: UInt64(tail.littleEndian(at: start + 16, as: UInt32.self)))

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
    let limits = ReadingLimits.current
    guard fields.entries <= UInt64(limits.zipEntries) else {
      throw ZipProblem.tooManyEntries(found: fields.entries, limit: limits.zipEntries)
    }
    guard fields.offset <= UInt64(end), fields.size <= UInt64(end) - fields.offset else {
      throw ZipProblem.directoryOutsideFile(
        offset: fields.offset, length: fields.size, available: end)
    }
    guard fields.size <= UInt64(limits.zipDirectoryBytes) else {
      throw ZipProblem.directoryTooLarge(found: Int(fields.size), limit: limits.zipDirectoryBytes)
    }
    entryCount = Int(fields.entries)
    directoryOffset = Int(fields.offset)
    directorySize = Int(fields.size)
  }

  /// The last position whose record's comment ends with the file.
  private static func find(in tail: [UInt8]) -> Int? {
    guard tail.count >= size else { return nil }
    return stride(from: tail.count - size, through: 0, by: -1).first { start in
      tail.littleEndian(at: start, as: UInt32.self) == 0x0605_4b50
        && Int(tail.littleEndian(at: start + 20, as: UInt16.self)) == tail.count - size - start
    }
  }

  /// The 64-bit record, where a locator stands right before the end record.
  private static func record64(
    in file: ReadableFile, before end: Int
  ) throws -> (fields: Fields, position: Int)? {
    guard end >= locatorSize else { return nil }
    let locatorStart = end - locatorSize
    let locator = try file.bytes(at: locatorStart, count: locatorSize)
    guard locator.littleEndian(at: 0, as: UInt32.self) == 0x0706_4b50 else { return nil }
    guard locator.littleEndian(at: 4, as: UInt32.self) == 0,
      locator.littleEndian(at: 16, as: UInt32.self) <= 1
    else {
      throw ZipProblem.severalDisks
    }
    guard let position = Int(exactly: locator.littleEndian(at: 8, as: UInt64.self)),
      locatorStart >= size64, position <= locatorStart - size64
    else { throw ZipProblem.zip64RecordMissing }
    let record = try file.bytes(at: position, count: size64)
    let length = record.littleEndian(at: 4, as: UInt64.self)
    guard record.littleEndian(at: 0, as: UInt32.self) == 0x0606_4b50, length >= 44,
      length <= UInt64(locatorStart - position - 12)
    else { throw ZipProblem.zip64RecordMissing }
    guard record.littleEndian(at: 16, as: UInt32.self) == 0,
      record.littleEndian(at: 20, as: UInt32.self) == 0
    else {
      throw ZipProblem.severalDisks
    }
    let fields = Fields(
      entriesHere: record.littleEndian(at: 24, as: UInt64.self),
      entries: record.littleEndian(at: 32, as: UInt64.self),
      size: record.littleEndian(at: 40, as: UInt64.self),
      offset: record.littleEndian(at: 48, as: UInt64.self))
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
