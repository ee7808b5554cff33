public import Tensors

/// Why a torch checkpoint is refused.
public enum TorchCheckpointError: DiagnosableError, Equatable {
  /// Neither an archive of `torch.save` nor one of the formats before it.
  case notACheckpoint(path: String)
  /// A format that `torch.save` wrote before PyTorch 1.6.
  case legacyFormat(path: String, found: TorchFileFormat)
  /// A zip archive without a checkpoint's pickle.
  case noPickle(path: String)
  /// A zip archive with two of them.
  case severalPickles(path: String, first: String, second: String)
  /// A TorchScript program, which `torch.jit.save` wrote.
  case torchScript(path: String)
  /// The archive is damaged, contradicts itself, or uses what is not supported.
  case archive(path: String, ZipProblem)
  /// An entry larger than a reader accepts.
  case entryTooLarge(path: String, entry: String, found: Int, limit: Int)
  /// Compressed storages of more bytes than a reader holds in memory.
  case inflatedTooLarge(path: String, found: Int, limit: Int)
  /// Written on a machine of another byte order.
  case byteOrder(path: String, found: String)
  /// The pickle is damaged, or asks for what is not allowed.
  case pickle(path: String, PickleProblem)
  /// The checkpoint is something else than a dictionary.
  case notADictionary(path: String, found: String)
  /// No dictionary with tensors, neither at the top level nor where wrappers put it.
  case noTensors(path: String, keys: [String])
  /// A tensor that can't be read.
  case tensor(path: String, name: TensorName, TensorProblem)

  /// What is wrong with one tensor.
  public enum TensorProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// Two tensors of one name.
    case duplicateName
    /// A name longer than `TorchCheckpoint.maximumNameSize` bytes.
    case nameTooLong(found: Int, limit: Int)
    /// A storage class or dtype that the package does not read.
    case unsupportedType(String)
    /// Stored conjugated or negated, or with other metadata that changes its values.
    case transformed
    /// Extents or strides that are not integers, or more than a tensor may have.
    case malformedShape
    /// Other numbers of extents and strides.
    case wrongStrideCount(found: Int, expected: Int)
    /// Extents that can't be.
    case info(TensorInfoError)
    /// An element before the begin of the storage.
    case negativeOffset(found: Int)
    /// A stride that runs backwards.
    case negativeStride(found: Int)
    /// An element beyond the end of the storage; `found` is the elements it would need, nil where
    /// 64 bits can't hold that.
    case outsideStorage(found: Int?, expected: Int)
    /// A view that repeats its storage's elements to more bytes than a reader accepts.
    case repeatsTooMuch(found: Int, limit: Int)
    /// The storage is not in the archive.
    case missingStorage(key: String)
    /// The storage has another size than its elements need, nil where 64 bits can't hold that.
    case wrongStorageSize(found: Int, expected: Int?)

    /// The reason in words.
    public var description: String {
      switch self {
      case .duplicateName: "stands twice in the checkpoint"
      case .nameTooLong(let found, let limit):
        "name too long (found \(found) bytes, expected at most \(limit))"
      case .unsupportedType(let name): "unsupported type (found \(name.quotedForMessage))"
      case .transformed:
        "stored conjugated or negated; save it after resolve_conj() and resolve_neg()"
      case .malformedShape:
        "malformed shape or strides (expected at most \(TensorInfo.maximumRank) integers)"
      case .wrongStrideCount(let found, let expected):
        "wrong number of strides (found \(found), expected \(expected))"
      case .info(let error): "\(error)"
      case .negativeOffset(let found):
        "negative storage offset (found \(found), expected 0 or more)"
      case .negativeStride(let found): "negative stride (found \(found), expected 0 or more)"
      case .outsideStorage(let found, let expected):
        "reaches beyond its storage "
          + "(found \(found.map { "\($0)" } ?? "more than 64 bits of") elements, expected at most \(expected))"
      case .repeatsTooMuch(let found, let limit):
        "repeats the elements of a smaller storage "
          + "(found \(found) bytes, expected at most \(limit)); save a contiguous copy"
      case .missingStorage(let key): "storage \(key.quotedForMessage) is not in the archive"
      case .wrongStorageSize(let found, let expected):
        "wrong storage size "
          + "(found \(found) bytes, expected \(expected.map { "\($0)" } ?? "more than 64 bits of them"))"
      }
    }
  }

  /// Always the content.
  public var failureKind: FailureKind { .badData }

  /// One line for the user: `path: tensor 'x': reason (found N, expected M)`.
  public var description: String { "\(path.escapedForTerminal): \(reason)" }

  /// The file.
  public var path: String {
    switch self {
    case .notACheckpoint(let path), .legacyFormat(let path, _), .noPickle(let path),
      .severalPickles(let path, _, _), .torchScript(let path), .archive(let path, _),
      .entryTooLarge(let path, _, _, _), .inflatedTooLarge(let path, _, _),
      .byteOrder(let path, _), .pickle(let path, _), .notADictionary(let path, _),
      .noTensors(let path, _), .tensor(let path, _, _):
      path
    }
  }

  private var reason: String {
    switch self {
    case .notACheckpoint: "not a torch checkpoint (expected a zip archive of torch.save)"
    case .legacyFormat(_, let found):
      "\(found.name), as PyTorch wrote before 1.6, is not read; load it with PyTorch and save it "
        + "again with torch.save of 1.6 or later, or with safetensors"
    case .noPickle: "zip archive without a torch checkpoint (expected an entry NAME/data.pkl)"
    case .severalPickles(_, let first, let second):
      "two checkpoints in one zip archive "
        + "(found \(first.quotedForMessage) and \(second.quotedForMessage), expected one)"
    case .torchScript:
      "a TorchScript program is not read; save the state_dict with torch.save or safetensors"
    case .archive(_, let problem): "\(problem)"
    case .entryTooLarge(_, let entry, let found, let limit):
      "zip entry \(entry.quotedForMessage) too large "
        + "(found \(found) bytes, expected at most \(limit))"
    case .inflatedTooLarge(_, let found, let limit):
      "compressed storages too large to hold in memory (found \(found) bytes, expected at most "
        + "\(limit)); save again with torch.save, which does not compress, or with safetensors; "
        + "--max-inflated accepts more"
    case .byteOrder(_, let found):
      "unsupported byte order (found \(found.quotedForMessage), expected 'little'); load it with "
        + "PyTorch on a little-endian machine and save it again"
    case .pickle(_, let problem): "\(problem)"
    case .notADictionary(_, let found):
      "not a dictionary of tensors (found \(found.quotedForMessage)); save the state_dict"
    case .noTensors(_, let keys):
      keys.isEmpty
        ? "no tensors (found an empty dictionary)"
        : "no tensors (found only the keys "
          + "\(keys.prefix(5).map(\.quotedForMessage).joined(separator: ", "))"
          + "\(keys.count > 5 ? ", …" : ""))"
    case .tensor(_, let name, let problem):
      "tensor \(name.string.quotedForMessage): \(problem)"
    }
  }

  /// Names the file in problems of the archive that `body` throws.
  static func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let problem as ZipProblem {
      throw TorchCheckpointError.archive(path: path, problem)
    }
  }
}
