/// Why a zip archive is refused.
public enum ZipProblem: Error, Equatable, Sendable, CustomStringConvertible {
  /// No end record: not a zip archive, or one that was cut short.
  case noEndRecord
  /// Parts of the archive lie on other disks.
  case severalDisks
  /// More entries than `ReadingLimits.zipEntries`.
  case tooManyEntries(found: UInt64, limit: Int)
  /// The end record says that a 64-bit one exists, but there is none where it should be.
  case zip64RecordMissing
  /// The two end records disagree.
  case zip64RecordDiffers(field: String, found: UInt64, expected: UInt64)
  /// The list of entries does not lie before the end record.
  case directoryOutsideFile(offset: UInt64, length: UInt64, available: Int)
  /// The list of entries is larger than `ZipArchive.maximumDirectorySize`.
  case directoryTooLarge(found: Int, limit: Int)
  /// The list of entries is cut or overwritten, or holds another number of entries.
  case directoryDamaged(entry: Int, count: Int)
  /// An entry's name is not UTF-8.
  case nameNotUTF8(entry: Int)
  /// Two entries of one name; ASCII case is ignored, as some readers do.
  case duplicateName(String)
  /// An encrypted entry.
  case encrypted(entry: String)
  /// Flag bits that change how an entry is read.
  case unsupportedFlags(entry: String, found: UInt16)
  /// A compression method other than stored and deflate.
  case unsupportedMethod(entry: String, found: UInt16)
  /// Extra fields that end too early, or lack the 64-bit sizes they should hold.
  case extraFieldDamaged(entry: String)
  /// A stored entry whose two sizes differ.
  case storedSizesDiffer(entry: String, found: UInt64, expected: UInt64)
  /// More bytes than deflate can make of the compressed ones.
  case impossibleSize(entry: String, found: UInt64, limit: UInt64)
  /// An entry reaches into the list of entries or beyond.
  case entryOutsideFile(entry: String, offset: UInt64, length: UInt64, available: Int)
  /// No entry begins where the list says.
  case localHeaderMissing(entry: String, offset: Int)
  /// An entry's own header says something else than the list.
  case localHeaderDiffers(entry: String, field: String, found: UInt64, expected: UInt64)
  /// An entry's own header has another name.
  case localNameDiffers(entry: String, found: String)
  /// Two entries share bytes.
  case overlap(first: String, second: String)
  /// The content's CRC-32 is not the declared one.
  case wrongChecksum(entry: String, found: UInt32, expected: UInt32)
  /// The compressed data is not valid deflate data, or ends too early or too late.
  case deflateDamaged(entry: String)
  /// The compressed data holds fewer bytes than declared, or more (`found` is then one more).
  case wrongInflatedSize(entry: String, found: Int, expected: Int)

  /// The reason in words.
  public var description: String {
    switch self {
    case .noEndRecord:
      "zip archive without its end record: cut short, or no zip archive at all"
    case .severalDisks: "zip archive in several parts is not supported"
    case .tooManyEntries(let found, let limit):
      "too many zip entries (found \(found), expected at most \(limit)); --max-zip-entries accepts "
        + "more"
    case .zip64RecordMissing: "zip archive without the 64-bit end record it refers to"
    case .zip64RecordDiffers(let field, let found, let expected):
      "zip end records disagree about \(field) (found \(found), expected \(expected))"
    case .directoryOutsideFile(let offset, let length, let available):
      "zip directory lies outside the file "
        + "(found \(length) bytes at \(offset), expected an end before \(available))"
    case .directoryTooLarge(let found, let limit):
      "zip directory too large (found \(found) bytes, expected at most \(limit)); --max-zip-entries "
        + "accepts more"
    case .directoryDamaged(let entry, let count):
      "zip directory damaged at entry \(entry) (expected \(count) entries)"
    case .nameNotUTF8(let entry): "name of zip entry \(entry) is not UTF-8"
    case .duplicateName(let name): "two zip entries are named \(name.quotedForMessage)"
    case .encrypted(let entry): "zip entry \(entry.quotedForMessage) is encrypted"
    case .unsupportedFlags(let entry, let found):
      "zip entry \(entry.quotedForMessage): unsupported flags (found \(found.hexadecimal))"
    case .unsupportedMethod(let entry, let found):
      "zip entry \(entry.quotedForMessage): unsupported compression "
        + "(found method \(found), expected 0 or 8)"
    case .extraFieldDamaged(let entry):
      "zip entry \(entry.quotedForMessage): damaged extra field"
    case .storedSizesDiffer(let entry, let found, let expected):
      "zip entry \(entry.quotedForMessage): stored with two sizes "
        + "(found \(found), expected \(expected))"
    case .impossibleSize(let entry, let found, let limit):
      "zip entry \(entry.quotedForMessage): impossible size for its compressed data "
        + "(found \(found), expected at most \(limit))"
    case .entryOutsideFile(let entry, let offset, let length, let available):
      "zip entry \(entry.quotedForMessage) lies outside the file "
        + "(found \(length) bytes at \(offset), expected an end before \(available))"
    case .localHeaderMissing(let entry, let offset):
      "zip entry \(entry.quotedForMessage) does not begin where it should (at byte \(offset))"
    case .localHeaderDiffers(let entry, let field, let found, let expected):
      "zip entry \(entry.quotedForMessage): its header and the directory disagree about \(field) "
        + "(found \(found), expected \(expected))"
    case .localNameDiffers(let entry, let found):
      "zip entry \(entry.quotedForMessage): its header and the directory disagree about the name "
        + "(found \(found.quotedForMessage))"
    case .overlap(let first, let second):
      "zip entries \(first.quotedForMessage) and \(second.quotedForMessage) overlap"
    case .wrongChecksum(let entry, let found, let expected):
      "zip entry \(entry.quotedForMessage): wrong checksum, the file is damaged "
        + "(found \(found.hexadecimal), expected \(expected.hexadecimal))"
    case .deflateDamaged(let entry):
      "zip entry \(entry.quotedForMessage): damaged compressed data"
    case .wrongInflatedSize(let entry, let found, let expected):
      "zip entry \(entry.quotedForMessage): wrong size after decompression "
        + "(found \(found > expected ? "more" : "\(found)"), expected \(expected))"
    }
  }
}
