public import ByteIO
public import Tensors

/// Why a safetensors file is refused.
public struct SafetensorsError: DiagnosableError, Equatable {
  /// The file.
  public let path: String
  /// The tensor concerned, where one is.
  public let tensor: TensorName?
  /// What is wrong.
  public let reason: Reason

  /// Content problems are bad data.
  public var failureKind: FailureKind { .badData }

  /// `path: tensor 'x': reason (found N, expected M)`
  public var description: String {
    let subject = tensor.map { ": tensor '\($0)'" } ?? ""
    return "\(path.escapedForTerminal)\(subject): \(reason)"
  }

  /// The header length that the text "version " would be, with which a Git LFS pointer begins.
  private static let pointerLength: UInt64 = 0x206e_6f69_7372_6576

  /// What can be wrong with a safetensors file.
  public enum Reason: Equatable, Sendable, CustomStringConvertible {
    /// Fewer than the eight bytes of the header length.
    case tooShort(found: Int)
    /// A header length over `ReadingLimits.headerBytes` and beyond the file: no header at all.
    case headerTooLarge(found: UInt64, limit: Int)
    /// A header over `ReadingLimits.headerBytes`.
    case headerOverLimit(found: Int, limit: Int)
    /// A header length beyond the end of the file.
    case headerBeyondFile(found: Int, available: Int)
    /// The header is not strict JSON.
    case json(JSONError)
    /// The header is JSON but no object.
    case headerNotAnObject
    /// More tensors than `ReadingLimits.tensors`.
    case tooManyTensors(limit: Int)
    /// A name longer than `SafetensorsHeader.maximumNameSize` bytes.
    case nameTooLong(found: Int, limit: Int)
    /// A tensor to be written under the name of the metadata.
    case reservedName
    /// Two tensors of one name, `__metadata__` twice, or a key twice inside one entry.
    case duplicateKey(String)
    /// An entry lacks `dtype`, `shape` or `data_offsets`.
    case missingKey(String)
    /// A value that is not what the key needs.
    case badValue(key: String, expected: String)
    /// A dtype that the format does not define.
    case unknownDType(found: String)
    /// Shape and dtype that can't exist.
    case info(TensorInfoError)
    /// `__metadata__` over `ReadingLimits.metadataBytes`.
    case metadataTooLarge(limit: Int)
    /// The end of a tensor's data lies before its begin.
    case offsetsReversed(begin: Int, end: Int)
    /// Data offsets that do not span the tensor's size.
    case wrongSize(found: Int, expected: Int)
    /// Data that begins before the end of the tensor before it.
    case overlap(begin: Int, previousEnd: Int)
    /// Data that begins after the end of the tensor before it.
    case hole(begin: Int, previousEnd: Int)
    /// The file ends after or before the last tensor.
    case wrongDataSize(found: Int, expected: Int)

    /// The reason in words.
    public var description: String {
      switch self {
      case .tooShort(let found):
        "too short for a safetensors file (found \(found) bytes, expected at least 8)"
      case .headerTooLarge(let found, let limit):
        found == SafetensorsError.pointerLength
          ? "a Git LFS pointer and not the file; fetch it with 'git lfs pull'"
          : "header too large (found \(found) bytes, expected at most \(limit))"
      case .headerOverLimit(let found, let limit):
        "header too large (found \(found) bytes, expected at most \(limit)); --max-header accepts "
          + "more"
      case .headerBeyondFile(let found, let available):
        "header reaches beyond the file (found \(found) bytes, expected at most \(available))"
      case .json(let error): "header: \(error)"
      case .headerNotAnObject: "header is not a JSON object"
      case .tooManyTensors(let limit):
        "too many tensors (expected at most \(limit)); --max-tensors accepts more"
      case .nameTooLong(let found, let limit):
        "name too long (found \(found) bytes, expected at most \(limit))"
      case .reservedName: "its name is the one that the format has for the metadata"
      case .duplicateKey(let key): "header has the key '\(key.escapedForTerminal)' twice"
      case .missingKey(let key): "header entry lacks '\(key)'"
      case .badValue(let key, let expected): "bad '\(key)' in the header (expected \(expected))"
      case .unknownDType(let found): "unknown dtype (found '\(found.escapedForTerminal)')"
      case .info(let error): "\(error)"
      case .metadataTooLarge(let limit):
        "metadata too large (expected at most \(limit) bytes); --max-metadata accepts more"
      case .offsetsReversed(let begin, let end):
        "data ends before it begins (found begin \(begin), end \(end))"
      case .wrongSize(let found, let expected):
        "data size does not fit dtype and shape (found \(found) bytes, expected \(expected))"
      case .overlap(let begin, let end):
        "data overlaps another tensor's (found begin \(begin), expected \(end))"
      case .hole(let begin, let end):
        "unused bytes before the data (found begin \(begin), expected \(end))"
      case .wrongDataSize(let found, let expected):
        "file has the wrong size for its tensors (found \(found) data bytes, expected \(expected))"
      }
    }
  }
}
