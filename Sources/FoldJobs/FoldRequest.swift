public import Adapters
internal import ByteIO
public import Folding
public import Merging
public import Tensors

/// A fold as it is asked for: paths and settings, nothing opened yet. It is what a plan file carries
/// (Folding §6.2).
public struct FoldRequest: Sendable, Equatable {
  /// An adapter and what its deltas are multiplied by.
  public struct AdapterChoice: Sendable, Equatable {
    /// A file or folder in any format.
    public var path: String
    /// The factor, beside `scale`.
    public var weight: Double

    /// Names an adapter.
    public init(path: String, weight: Double = 1) {
      self.path = path
      self.weight = weight
    }
  }

  /// The adapters, in the order in which their deltas are added.
  public var adapters: [AdapterChoice]
  /// The base: a safetensors file, or a folder.
  public var base: String
  /// Where the output goes: a file for a file, a folder for a folder or where shards are cut anew.
  public var output: String
  /// What all deltas are multiplied by.
  public var scale = 1.0
  /// How adapters with links are merged; nil takes the best that the inputs allow.
  public var method: String?
  /// Whose numbers a merge gives.
  public var profile = MergeInputs.Profile.standard
  /// How far ranks are cut.
  public var truncation: RankTruncation?
  /// Captured inputs that merges and cuts of ranks are fitted on.
  public var calibration: CalibrationChoice?
  /// What is stated beside the adapters.
  public var stated = Stated()
  /// The dtype of the output's tensors; nil keeps those of the base.
  public var dtype: DType?
  /// How folded elements are rounded.
  public var rounding = FoldRounding.nearest
  /// Whether updates without a base tensor are left out.
  public var allowsUnmatched = false
  /// Whether NaN and infinities may be written.
  public var allowsNonFinite = false
  /// How much of the arithmetic is done twice.
  public var verification = Fold.Verification.sample
  /// The most bytes of tensors in an output shard; nil keeps the shards of the base.
  public var maximumShardBytes: Int?
  /// Whether the output's metadata say what was folded.
  public var recordsProvenance = true
  /// Whether an output that exists may be replaced.
  public var replacing = false

  /// Captured inputs to fit on, and how.
  public struct CalibrationChoice: Sendable, Equatable {
    /// A file of activations.
    public var path: String
    /// How many tokens of it, the first ones; nil takes all.
    public var tokens: Int?
    /// See `Calibration.penalty`.
    public var penalty: Double?

    /// Names a file.
    public init(path: String, tokens: Int? = nil, penalty: Double? = nil) {
      self.path = path
      self.tokens = tokens
      self.penalty = penalty
    }
  }

  /// Whether anything is asked of a merge, or stated of links.
  var asksForMerge: Bool {
    method.map { $0 != "none" } ?? false || profile != .standard || truncation != nil
      || calibration != nil || stated != Stated()
  }

  /// The same with paths that mean the same from every folder, however they are spelled.
  public var absolute: FoldRequest {
    var result = self
    result.adapters = adapters.map {
      AdapterChoice(path: Paths.absolute($0.path), weight: $0.weight)
    }
    result.base = Paths.absolute(base)
    result.output = Paths.absolute(output)
    result.calibration?.path = calibration.map { Paths.absolute($0.path) } ?? ""
    result.stated.windows = stated.windows.map(Paths.absolute)
    result.stated.topology = stated.topology.map(Paths.absolute)
    return result
  }

  /// Files and numbers that override what an adapter says of itself; see `AdapterOverrides`.
  public struct Stated: Sendable, Equatable {
    /// Norm windows kept beside the adapter.
    public var windows: String?
    /// Which block follows which.
    public var topology: String?
    /// What the root of an input-shortcut chain takes.
    public var root: RootRule?
    /// How many predecessors count.
    public var reach: PredecessorCount?

    /// Nothing stated.
    public init() {}
  }

  /// A request with the settings of a plain fold.
  public init(adapters: [AdapterChoice], base: String, output: String) {
    self.adapters = adapters
    self.base = base
    self.output = output
  }
}
