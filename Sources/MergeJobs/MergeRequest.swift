internal import Adapters
internal import ByteIO
public import FoldJobs
public import Merging
public import ResLoRAContainer
public import Tensors

/// A merge by `calibrated` as it is asked for: paths and settings, nothing opened yet. It is what a plan
/// carries (Replay §9).
public struct MergeRequest: Sendable, Equatable {
  /// The adapter: a file or folder in any format.
  public var adapter: String
  /// Base weights, for the paper's merge that fits are drawn towards and for folded norms.
  public var base: String?
  /// Captured inputs to fit on, and how.
  public var calibration: FoldRequest.CalibrationChoice
  /// Where the merged adapter goes.
  public var output: String
  /// The method asked for; nil takes the best that the inputs allow. It has to come out as `calibrated`.
  public var method: String?
  /// How far ranks are cut; the last task does that alone.
  public var truncation: RankTruncation?
  /// What is stated beside the adapter.
  public var stated = FoldRequest.Stated()
  /// The identifier of the output's format, of `AdapterOutputFormat`.
  public var format: String
  /// What a container's chunks are compressed with.
  public var compression = ContainerCompression.automatic
  /// The dtype of the output's tensors; nil takes those of Merging §5.2.
  public var dtype: DType?
  /// Whether NaN and infinities may be let in.
  public var allowsNonFinite = false
  /// Whether an output that exists may be replaced.
  public var replacing = false

  /// A request with the settings of a plain merge, which writes a PEFT folder.
  public init(adapter: String, calibration: FoldRequest.CalibrationChoice, output: String) {
    self.adapter = adapter
    self.calibration = calibration
    self.output = output
    format = AdapterOutputFormat.peft.identifier
  }

  /// The same with paths that mean the same from every folder, however they are spelled.
  public var absolute: MergeRequest {
    var result = self
    result.adapter = Paths.absolute(adapter)
    result.base = base.map(Paths.absolute)
    result.calibration.path = Paths.absolute(calibration.path)
    result.output = Paths.absolute(output)
    result.stated.windows = stated.windows.map(Paths.absolute)
    result.stated.topology = stated.topology.map(Paths.absolute)
    return result
  }
}
