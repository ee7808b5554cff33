public import Codecs
public import Tensors

/// What can be wrong with a container, with what was found and what was expected.
public enum ContainerProblem: Error, Sendable, Equatable {
  // MARK: Header

  /// Other first bytes than a container's.
  case notAContainer
  /// The first four bytes are a container's, the line ends after them were changed.
  case damagedByTextTransfer
  /// Fewer bytes than a header has.
  case tooShort(found: Int)
  /// The header does not fit its checksum.
  case headerChecksum(found: UInt32, expected: UInt32)
  /// A read version that this reader does not know.
  case unknownVersion(found: Int)
  /// A writer that knows less than it asks of readers.
  case writeVersion(found: Int, readVersion: Int)
  /// Required features that this reader does not know, as a bit set.
  case unknownFeatures(found: UInt64)
  /// Bytes of the header, a directory entry or the table of tensors that must be zero; the offset
  /// counts from the beginning of that part.
  case notZero(part: Part, offset: Int)
  /// The file has another length than its header says.
  case wrongLength(found: Int, expected: UInt64)
  /// More chunks than a file may have.
  case tooManyChunks(found: Int)
  /// The directory does not end where the file ends, by the header's numbers.
  case directoryPlace(found: UInt64, expected: Int)
  /// The directory does not fit its checksum.
  case directoryChecksum(found: UInt32, expected: UInt32)

  // MARK: Directory

  /// A type that is not four ASCII letters.
  case badType(found: [UInt8])
  /// A type that this reader does not know and must.
  case unknownCriticalChunk
  /// A number that stands for no compression.
  case unknownCompression(found: Int)
  /// A shuffle that is none of 1, 2, 4 and 8.
  case badShuffle(found: Int)
  /// A chunk, or the directory where no chunk is named, that begins elsewhere than it must.
  case wrongOffset(found: UInt64, expected: Int)
  /// Stored bytes that reach into the directory or beyond.
  case storedBeyondChunks(found: UInt64, available: Int)
  /// A raw length over the limit.
  case rawTooLarge(found: UInt64)
  /// An uncompressed chunk whose lengths differ.
  case lengthsDiffer(stored: Int, raw: Int)
  /// A compressed chunk that is no smaller.
  case compressedNotSmaller(stored: Int, raw: Int)
  /// A raw length of partial elements.
  case shuffledPartialElements(raw: Int, width: Int)
  /// A chunk that is shuffled and has no elements.
  case shuffledOther
  /// A chunk where its type may not be, or not again.
  case misplaced
  /// A chunk that every file has.
  case missing(ChunkType)
  /// A piece of the description or the table of another raw length than it must have; the last one,
  /// which only may not be empty, where nothing is expected.
  case partPiece(found: Int, expected: Int?)
  /// A description or a table over the limit.
  case partTooLarge(ChunkType, found: Int)

  // MARK: Chunks

  /// A chunk that does not fit its checksum.
  case chunkChecksum(found: UInt32, expected: UInt32)
  /// Stored bytes that do not decompress as they should.
  case undecodable(ChunkCompression, CodecError)
  /// A byte between a chunk and what follows that is not zero, by its offset in the file.
  case padding(offset: Int)
  /// A description that is not UTF-8.
  case descriptionNotUTF8

  // MARK: Table of tensors

  /// More tensors than a file may have.
  case tooManyTensors(found: Int)
  /// The table ends inside the entry of this tensor, counted from 0, or before it; no tensor where
  /// it ends before the first one.
  case tableCut(tensor: Int?)
  /// Bytes after the last entry.
  case tableTooLong(found: Int)
  /// The name of this tensor, counted from 0, is not 1 byte or more of UTF-8 without U+0000.
  case badName(tensor: Int)
  /// Two tensors of one name.
  case duplicateName
  /// A number that stands for no dtype.
  case unknownDType(found: Int)
  /// A dtype that containers do not hold.
  case unsupportedDType(found: DType)
  /// More dimensions than a tensor may have.
  case tooManyDimensions(found: Int)
  /// A shape whose size has no number.
  case sizeOverflow
  /// A first chunk that is not the one after the tensor before.
  case firstChunk(found: Int, expected: Int)
  /// More chunks than are left.
  case chunkCount(found: Int, available: Int)
  /// Chunks of elements that belong to no tensor.
  case unclaimedChunks(found: Int)
  /// A chunk that is shuffled by another width than its tensor's.
  case shuffleWidth(found: Int, expected: Int)
  /// A piece of a tensor of another raw length than it must have.
  case pieceLength(found: Int, expected: PieceLength)
  /// Chunks that do not add up to the tensor.
  case tensorSize(found: Int, expected: Int)
  /// A tensor whose bytes do not fit its checksum.
  case tensorChecksum(found: UInt32, expected: UInt32)
  /// A tensor whose bytes do not fit its SHA-256; both in hexadecimal.
  case tensorDigest(found: String, expected: String)
  /// The table does not give the identity it states; both in hexadecimal.
  case identity(found: String, expected: String)

  // MARK: Writing

  /// An ancillary chunk over the limit of one chunk.
  case chunkTooLarge(ChunkType, found: Int)

  /// Parts of a file with bytes that must be zero.
  public enum Part: String, Sendable {
    /// The header.
    case header
    /// An entry of the directory.
    case entry = "directory entry"
    /// The table of the tensors.
    case table = "table of tensors"
  }

  /// What the raw length of a tensor's piece must be.
  public enum PieceLength: Sendable, Equatable {
    /// The same as that of the tensor's first piece.
    case first(Int)
    /// As `first`, or less and not 0, for the last piece.
    case atMost(Int)
    /// A multiple of 64 other than 0, for a first piece that is not the last.
    case multipleOf64
  }
}
