public import Tensors

/// Why blocks, links or windows do not make an adapter.
public enum AdapterError: DiagnosableError, Equatable {
  /// No adapter tensors at all.
  case noBlocks(source: String)
  /// Something else than an adapter.
  case notAnAdapter(source: String, found: String)
  /// Something else than a base checkpoint.
  case notACheckpoint(source: String, found: String)
  /// A pair of which A or B is missing, or a gap in the numbers of stacked pairs.
  case incompletePair(source: String, block: TensorName, pair: Int)
  /// Two blocks of one name.
  case duplicateBlock(TensorName)
  /// A factor of a dtype the package does not compute with.
  case unusableDType(source: String, tensor: TensorName, found: DType)
  /// A factor that is not two-dimensional, or has no elements.
  case notAMatrix(source: String, tensor: TensorName, found: [Int])
  /// A tensor of an adapter that has not the shape its kind needs beside the others.
  case unfitTensor(source: String, tensor: TensorName, found: [Int], expected: String)
  /// A tensor that must be there beside those of the same module.
  case missingTensor(source: String, block: TensorName, expected: String)
  /// An adapter of a kind that only a fold takes, and one module of it that is not plain.
  case foldOnly(source: String, kind: String, module: TensorName)
  /// A module of which the base leaves open what the adapter means.
  case ambiguous(module: TensorName, what: String)
  /// A factor of more elements than any model needs.
  case factorTooLarge(source: String, tensor: TensorName, found: Int)
  /// A block whose factors have more elements than any model needs.
  case blockTooLarge(block: TensorName, found: Int)
  /// Stacked pairs whose features differ.
  case stackMismatch(source: String, tensor: TensorName, found: Int, expected: Int)
  /// A and B of different rank.
  case rankMismatch(block: TensorName, rowsOfA: Int, columnsOfB: Int)
  /// A scaling that is infinite or NaN.
  case badScaling(block: TensorName, found: Double)
  /// A NaN or an infinity in a factor.
  case nonFinite(source: String, tensor: TensorName, found: Double)
  /// A finite element of a factor that becomes infinite in the dtype it is to be written in.
  case overflow(source: String, tensor: TensorName, dtype: DType, found: Double)
  /// A predecessor that is no block.
  case unknownPredecessor(block: TensorName, found: TensorName)
  /// A block that is its own predecessor, at once or over others.
  case cycle(block: TensorName)
  /// Linked blocks whose shapes do not allow the link.
  case linkMismatch(
    block: TensorName, predecessor: TensorName, what: String, found: Int, expected: Int)
  /// A file whose first bytes belong to no format that is read.
  case unknownFormat(source: String)
  /// An adapter with links, and a format that holds none.
  case notPlain(format: String, structure: Structure)
  /// Several pairs on one linear, and a format that holds one.
  case stackedPairs(format: String, block: TensorName, found: Int)
  /// The source says nothing about something the adapter needs.
  case unstated(source: String, what: String, advice: String)
  /// Less memory may be used than a factor takes.
  case noRoom(source: String, tensor: TensorName, needed: Int)
  /// One of the above that names no file, in the adapter that was read from one.
  indirect case inAdapter(source: String, AdapterError)

  /// Content problems are bad data; what a format can't hold is a wrong request.
  public var failureKind: FailureKind {
    switch self {
    case .notPlain, .stackedPairs: .usage
    case .noRoom: .resource
    case .inAdapter(_, let error): error.failureKind
    default: .badData
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .noBlocks(let source):
      "\(source.escapedForTerminal): no adapter tensors in it"
    case .notAnAdapter(let source, let found):
      "\(source.escapedForTerminal): no adapter (found \(found), expected a PEFT folder, a published "
        + "ResLoRA checkpoint, or a .reslora, HDF5 or safetensors file of ours)"
    case .unknownFormat(let source):
      "\(source.escapedForTerminal): of no format known here, or its beginning is damaged (expected "
        + "safetensors, .reslora, HDF5, a checkpoint of torch.save, or JSON)"
    case .notACheckpoint(let source, let found):
      "\(source.escapedForTerminal): no base checkpoint (found \(found), expected a safetensors file "
        + "or a folder of them)"
    case .incompletePair(let source, let block, let pair):
      "\(source.escapedForTerminal): block '\(block)': pair \(pair) is incomplete "
        + "(expected A and B of every pair, numbered from 0 without a gap)"
    case .duplicateBlock(let block):
      "block '\(block)': stands twice in the adapter"
    case .unusableDType(let source, let tensor, let found):
      "\(source.escapedForTerminal): tensor '\(tensor)': not a dtype to compute with "
        + "(found \(found.rawValue), expected F64, F32, F16 or BF16)"
    case .notAMatrix(let source, let tensor, let found):
      "\(source.escapedForTerminal): tensor '\(tensor)': not a factor of a linear layer "
        + "(found shape \(found), expected two dimensions, none of them 0)"
    case .unfitTensor(let source, let tensor, let found, let expected):
      "\(source.escapedForTerminal): tensor '\(tensor)': wrong shape (found \(found), expected "
        + "\(expected))"
    case .missingTensor(let source, let block, let expected):
      "\(source.escapedForTerminal): block '\(block)': incomplete (expected \(expected))"
    case .foldOnly(let source, let kind, let module):
      "\(source.escapedForTerminal): \(kind) on '\(module)'; fold takes it, but it is no plain "
        + "LoRA of linear layers, which is what is expected here"
    case .ambiguous(let module, let what):
      "module '\(module)': \(what)"
    case .factorTooLarge(let source, let tensor, let found):
      "\(source.escapedForTerminal): tensor '\(tensor)': too large for a factor "
        + "(found \(found) elements, expected at most \(Factor.maximumBytes / 8))"
    case .blockTooLarge(let block, let found):
      "block '\(block)': factors too large (found \(found) elements, expected fewer than "
        + "\(Block.elementLimit))"
    case .stackMismatch(let source, let tensor, let found, let expected):
      "\(source.escapedForTerminal): tensor '\(tensor)': features differ from those of the other "
        + "pairs on the same linear (found \(found), expected \(expected))"
    case .rankMismatch(let block, let a, let b):
      "block '\(block)': A and B differ in rank (found \(a) rows of A and \(b) columns of B, "
        + "expected the same pair by pair)"
    case .badScaling(let block, let found):
      "block '\(block)': scaling is not finite (found \(found))"
    case .nonFinite(let source, let tensor, let found):
      "\(source.escapedForTerminal): tensor '\(tensor)': not finite (found \(found)); "
        + "pass --allow-nonfinite to go on"
    case .overflow(let source, let tensor, let dtype, let found):
      "\(source.escapedForTerminal): tensor '\(tensor)': does not fit \(dtype.rawValue) (found \(found)); "
        + "write it with a wider --dtype"
    case .unknownPredecessor(let block, let found):
      "block '\(block)': predecessor is not in the adapter (found '\(found)')"
    case .cycle(let block):
      "block '\(block)': is its own predecessor along a cycle"
    case .linkMismatch(let block, let predecessor, let what, let found, let expected):
      "block '\(block)': \(what) differ from those of its predecessor '\(predecessor)' "
        + "(found \(found), expected \(expected))"
    case .notPlain(let format, let structure):
      "a \(format) holds no links (found \(structure.rawValue), expected plain); merge the adapter "
        + "first"
    case .stackedPairs(let format, let block, let found):
      "block '\(block)': a \(format) holds one pair of each block (found \(found)); "
        + "'merge --method none' joins those of a plain LoRA"
    case .unstated(let source, let what, let advice):
      "\(source.escapedForTerminal): says nothing of the \(what); \(advice)"
    case .noRoom(let source, let tensor, let needed):
      "\(source.escapedForTerminal): tensor '\(tensor)': more memory than this process may use "
        + "(needed \(needed) bytes); raise its limit"
    case .inAdapter(let source, let error): "\(source.escapedForTerminal): \(error)"
    }
  }
}

extension AdapterError {
  /// Calls `body`, whose errors about an adapter all name its file then.
  static func naming<Result>(_ source: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as AdapterError where !error.namesSource {
      throw AdapterError.inAdapter(source: source, error)
    }
  }

  private var namesSource: Bool {
    switch self {
    case .duplicateBlock, .ambiguous, .blockTooLarge, .rankMismatch, .badScaling,
      .unknownPredecessor, .cycle, .linkMismatch:
      false
    default: true
    }
  }
}
