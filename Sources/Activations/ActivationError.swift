public import ByteIO
public import Tensors

/// A rule of the Spec that a file of activations breaks.
public struct ActivationError: RuleViolation, Equatable {
  /// The file.
  public let path: String
  /// The rule.
  public let rule: String
  /// What is wrong.
  public let reason: Reason

  /// Content problems are bad data; what a format can't hold is a wrong request.
  public var failureKind: FailureKind {
    if case .takenMetadata = reason { .usage } else { .badData }
  }

  /// `path: reason (found N, expected M) [rule]`
  public var description: String { "\(path.escapedForTerminal): \(reason) [\(rule)]" }

  /// What can be wrong.
  public enum Reason: Equatable, Sendable, CustomStringConvertible {
    /// Something else than activations.
    case notActivations
    /// A folder without files.
    case noFiles
    /// A file of a folder whose inputs are not those of the first, and how they differ.
    case otherInputs(than: String, String)
    /// The map from blocks to matrices is not strict JSON.
    case json(JSONError)
    /// The map is no object of strings.
    case badMap
    /// A version this reader does not know.
    case unknownVersion(found: Int, known: Int)
    /// No matrix at all.
    case noMatrices
    /// A tensor that is not two-dimensional.
    case notAMatrix(TensorName, found: [Int])
    /// A matrix of a dtype the package does not compute with.
    case unusableDType(TensorName, found: DType)
    /// Matrices of different numbers of rows.
    case tokensDiffer(TensorName, found: Int, expected: Int)
    /// A block whose input is not in the file.
    case unknownMatrix(block: TensorName, found: TensorName)
    /// Two matrices of one name.
    case repeatedMatrix(TensorName)
    /// Two blocks of one name.
    case repeatedBlock(TensorName)
    /// Matrices that are no block's input.
    case unnamedMatrices([TensorName])
    /// Free text under a key by which safetensors files are told apart.
    case takenMetadata(key: String)
    /// A group or dataset that lacks something, or has something that does not belong.
    case misplaced(String, expected: String)

    /// The reason in words.
    public var description: String {
      switch self {
      case .notActivations:
        "no activations (expected a safetensors file with 'inputs' in its metadata, or HDF5 as "
          + "'convert' and the Python package write it)"
      case .noFiles: "no files in the folder (expected files of activations)"
      case .otherInputs(let first, let difference):
        "other inputs than '\(first.escapedForTerminal)' of the same folder (\(difference)); capture "
          + "all files with one adapter"
      case .json(let error): "metadata 'inputs': \(error)"
      case .badMap: "metadata 'inputs' is no JSON object of block to tensor"
      case .unknownVersion(let found, let known):
        "version of another time (found \(found), expected \(known)); a newer release may read it"
      case .noMatrices: "no matrix of inputs in it"
      case .notAMatrix(let name, let found):
        "tensor '\(name)': not a matrix (found shape \(found), expected [tokens, features], features "
          + "not 0)"
      case .unusableDType(let name, let found):
        "tensor '\(name)': not a dtype to compute with (found \(found.rawValue), expected F64, F32, "
          + "F16 or BF16)"
      case .tokensDiffer(let name, let found, let expected):
        "tensor '\(name)': another number of tokens than the first (found \(found), expected "
          + "\(expected))"
      case .unknownMatrix(let block, let found):
        "block '\(block)': its input is not in the file (found '\(found)')"
      case .repeatedMatrix(let name): "tensor '\(name)': stands twice in the file"
      case .repeatedBlock(let block): "block '\(block)': stands twice in the file"
      case .unnamedMatrices(let names):
        "\(names.count) \(names.count == 1 ? "matrix is" : "matrices are") no block's input: "
          + names.listed { "'\($0)'" }
      case .takenMetadata(let key):
        "metadata '\(key.escapedForTerminal)' can't be written into safetensors, where the key has a "
          + "meaning of its own; write HDF5"
      case .misplaced(let what, let expected):
        "\(what.escapedForTerminal) (expected \(expected))"
      }
    }
  }
}
