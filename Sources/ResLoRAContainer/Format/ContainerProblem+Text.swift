internal import Codecs
internal import Tensors

extension ContainerProblem {
  /// The section of the Spec that is broken, as "Container §3.2".
  public var rule: String {
    let section =
      switch self {
      case .wrongOffset, .padding: "1.1"
      case .tooManyChunks, .rawTooLarge, .tooManyTensors, .chunkTooLarge: "1.2"
      case .tooShort, .headerChecksum, .writeVersion, .unknownFeatures, .wrongLength,
        .directoryChecksum, .unknownVersion, .notZero(.header, _):
        "2"
      case .notAContainer, .damagedByTextTransfer: "2.1"
      case .directoryPlace, .badType, .unknownCompression, .badShuffle, .storedBeyondChunks,
        .chunkChecksum, .notZero(.entry, _):
        "3"
      case .unknownCriticalChunk: "3.1"
      case .lengthsDiffer, .compressedNotSmaller, .undecodable: "3.2"
      case .shuffledPartialElements, .shuffledOther, .shuffleWidth: "3.3"
      case .misplaced, .missing, .partPiece, .partTooLarge: "4.1"
      case .descriptionNotUTF8: "4.2"
      case .pieceLength: "4.3"
      case .notZero(.table, _), .tableCut, .tableTooLong, .badName, .duplicateName, .unknownDType,
        .unsupportedDType, .tooManyDimensions, .sizeOverflow, .firstChunk, .chunkCount,
        .unclaimedChunks, .tensorSize, .tensorChecksum, .tensorDigest:
        "4.4"
      case .identity: "4.6"
      }
    return "Container §\(section)"
  }
}

extension ContainerProblem: CustomStringConvertible {
  /// The reason in words.
  public var description: String {
    switch self {
    case .notAContainer: "not a .reslora file"
    case .damagedByTextTransfer:
      "damaged by a transfer in text mode, which changed line ends; transfer it as binary"
    case .tooShort(let found):
      "too short for a header (found \(found) bytes, expected \(ContainerFormat.headerSize))"
    case .headerChecksum(let found, let expected):
      "damaged header: wrong checksum \(Self.pair(found, expected))"
    case .unknownVersion(let found):
      "needs a reader of another version (found \(found), this one knows "
        + "\(ContainerFormat.version))"
    case .writeVersion(let found, let read):
      "write version below the read version (found \(found), expected at least \(read))"
    case .unknownFeatures(let found):
      "requires features that this reader does not know (found bits \(Self.hexadecimal(found)), "
        + "known are none)"
    case .notZero(let part, let offset):
      "reserved byte of the \(part.rawValue) is not zero (at its byte \(offset))"
    case .wrongLength(let found, let expected):
      "wrong length of the file (found \(found) bytes, expected \(expected)); "
        + "was it cut or joined to another?"
    case .tooManyChunks(let found):
      "too many chunks (found \(found), expected at most \(ContainerFormat.maximumChunks))"
    case .directoryPlace(let found, let expected):
      "directory does not end where the file ends (found offset \(found), expected \(expected))"
    case .directoryChecksum(let found, let expected):
      "damaged directory: wrong checksum \(Self.pair(found, expected))"
    case .badType(let found):
      "bad chunk type (found \(found.map { Self.hexadecimal($0) }.joined(separator: " ")), "
        + "expected four ASCII letters)"
    case .unknownCriticalChunk: "chunk type that this reader does not know and has to"
    case .unknownCompression(let found):
      "unknown compression (found \(found), expected 0, 1 or 2)"
    case .badShuffle(let found): "bad shuffle (found \(found), expected 1, 2, 4 or 8)"
    case .wrongOffset(let found, let expected):
      "wrong offset (found \(found), expected \(expected))"
    case .storedBeyondChunks(let found, let available):
      "stored bytes reach beyond the chunks (found length \(found), expected at most \(available))"
    case .rawTooLarge(let found):
      "raw length too large (found \(found), expected at most \(ContainerFormat.maximumRawLength))"
    case .lengthsDiffer(let stored, let raw):
      "uncompressed and of another stored than raw length (found \(stored), expected \(raw))"
    case .compressedNotSmaller(let stored, let raw):
      "compressed and no smaller (found \(stored) stored bytes, expected fewer than \(raw))"
    case .shuffledPartialElements(let raw, let width):
      "shuffled and no whole number of elements (found raw length \(raw), expected a multiple of "
        + "\(width))"
    case .shuffledOther: "shuffled (expected in DATA chunks alone)"
    case .misplaced:
      "out of order (expected all ADPT, all DATA, all TENS, then ancillary chunks)"
    case .missing(let type): "no \(type) chunk (expected one)"
    case .partPiece(let found, let expected?):
      "bad raw length of a piece before the last (found \(found) bytes, expected \(expected))"
    case .partPiece: "last piece is empty"
    case .partTooLarge(let type, let found):
      "\(type == .description ? "description" : "table of tensors") too large (found \(found) "
        + "bytes, expected at most \(ContainerFormat.maximumPartLength))"
    case .chunkChecksum(let found, let expected):
      "damaged: wrong checksum \(Self.pair(found, expected))"
    case .undecodable(let compression, let error): "bad \(compression) data: \(error)"
    case .padding(let offset): "byte after the chunk is not zero (at byte \(offset) of the file)"
    case .descriptionNotUTF8: "description is not UTF-8"
    case .chunkTooLarge(let type, let found):
      "\(type) chunk too large (found \(found) bytes, expected at most "
        + "\(ContainerFormat.maximumRawLength))"
    case .tooManyTensors(let found):
      "too many tensors (found \(found), expected at most \(ContainerFormat.maximumTensors))"
    case .tableCut(let tensor):
      "table of tensors ends early, "
        + (tensor.map { "in the entry of tensor \($0)" } ?? "before the first entry")
    case .tableTooLong(let found): "\(found) bytes after the last entry of the table of tensors"
    case .badName(let tensor):
      "bad name of tensor \(tensor) (expected UTF-8, not empty, without U+0000)"
    case .duplicateName: "two tensors of this name"
    case .unknownDType(let found): "unknown dtype (found \(found), expected 1, 2, 3 or 4)"
    case .unsupportedDType(let found):
      "dtype that a container does not hold (found \(found.rawValue), expected F64, F32, F16 or "
        + "BF16)"
    case .tooManyDimensions(let found):
      "too many dimensions (found \(found), expected at most \(TensorInfo.maximumRank))"
    case .sizeOverflow: "size overflows 64 bits"
    case .firstChunk(let found, let expected):
      "wrong first DATA chunk (found \(found), expected \(expected))"
    case .chunkCount(let found, let available):
      "more DATA chunks than are left (found \(found), expected at most \(available))"
    case .unclaimedChunks(let found): "DATA chunks that belong to no tensor (found \(found))"
    case .shuffleWidth(let found, let expected):
      "shuffled by the wrong width (found \(found), expected 1 or \(expected))"
    case .pieceLength(let found, .first(let expected)):
      "piece of another length than the first (found \(found) bytes, expected \(expected))"
    case .pieceLength(let found, .atMost(let expected)):
      "bad length of the last piece (found \(found) bytes, expected 1 to \(expected))"
    case .pieceLength(let found, .multipleOf64):
      "bad length of a piece (found \(found) bytes, expected a multiple of 64)"
    case .tensorSize(let found, let expected):
      "DATA chunks do not add up to dtype and shape (found \(found) bytes, expected \(expected))"
    case .tensorChecksum(let found, let expected):
      "wrong checksum of the tensor \(Self.pair(found, expected))"
    case .tensorDigest(let found, let expected):
      "wrong SHA-256 of the tensor (found \(found), expected \(expected))"
    case .identity(let found, let expected):
      "wrong identity for the tensors listed (found \(found), expected \(expected))"
    }
  }

  private static func pair(_ found: UInt32, _ expected: UInt32) -> String {
    "(found \(hexadecimal(found)), expected \(hexadecimal(expected)))"
  }

  private static func hexadecimal(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    let width = value.bitWidth == 64 ? 1 : value.bitWidth / 4
    return "0x" + String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
