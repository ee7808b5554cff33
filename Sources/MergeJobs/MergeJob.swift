public import Activations
public import Adapters
public import ByteIO
public import FoldJobs
internal import Merging
public import Planning
internal import Safetensors
internal import Tensors

/// A merge by `calibrated` in tasks (Replay §9): everything opened, checked and divided, nothing
/// written.
///
/// Tasks stand in stages, each of which needs those before it; those of one stage run in any order, on
/// any machines that see the files. The last writes what `merge` on one machine writes, to the byte
/// where all processors compute alike.
public struct MergeJob: PlannedJob {
  /// What was asked for.
  public let request: MergeRequest
  /// The adapter.
  public let adapter: Adapter
  /// The captured inputs.
  public let activations: ActivationFile
  /// What is odd but harmless, one line each.
  public let warnings: [String]
  /// All tasks by their numbers, stage after stage.
  let works: [MergeTask]
  /// What the job reads, as it was when it was opened: of every file of the base and of the captured
  /// inputs name, size, time of change and the SHA-256 of what its header says; of every file of the
  /// adapter and of what is stated beside it name and SHA-256.
  public let inputs: JSONValue
  /// A number that two jobs have in common only where they write the same bytes from the same files.
  public let fingerprint: String

  let format: AdapterOutputFormat
  let base: BaseShards?
  let captured: CapturedInputs

  /// Opens everything that a request names.
  ///
  /// - Throws: `MergeJobError.notPlanned`, `MergeJobError.unknownFormat`; `MergeError`, `CaptureError`,
  ///   `BaseMatchError`, errors of the formats.
  public init(_ request: MergeRequest, on machine: FoldMachine) throws {
    guard let format = AdapterOutputFormat(identifier: request.format) else {
      throw MergeJobError.unknownFormat(
        found: request.format, expected: AdapterOutputFormat.all.map(\.identifier))
    }
    // Digests are of files that are opened once more, which must be the same ones.
    let before = try FileIdentities(at: request.adapter)
    let adapter = try Adapter(
      path: request.adapter, overrides: request.stated.overrides(machine.hdf5), hdf5: machine.hdf5)
    let activations = try ActivationFile(path: request.calibration.path, hdf5: machine.hdf5)
    self.request = request
    self.format = format
    self.adapter = adapter
    self.activations = activations
    captured = try CapturedInputs(
      activations, for: adapter, tokens: request.calibration.tokens)
    base = try request.base.map { try BaseShards(path: $0, for: adapter) }
    warnings = base?.warnings ?? []
    let inputs = try MergeJob.inputs(request, adapter, activations, base, machine)
    try before.check(MergeJob.files(of: adapter, request))
    self.inputs = inputs
    fingerprint = MergeJob.fingerprint(request, inputs)
    let merge = MergeJob.merge(request, base, captured, machine)
    let method = try merge.choose(for: adapter).method
    guard method == CalibratedMerge.self else {
      throw MergeJobError.notPlanned(method: method.name)
    }
    works = try MergeJob.works(
      request, CalibratedFits(adapter, merge.inputs), adapter, base, fingerprint)
  }

  /// What plans of merges are called.
  public static let kind = "merge"

  /// The request with absolute paths.
  public var requestJSON: JSONValue { request.absolute.json }

  /// Where the merged adapter goes.
  public var output: String { request.absolute.output }

  /// The tasks by their numbers.
  public var tasks: [PlannedTask] { works.map(\.planned) }

  /// Opens what a plan names, which `TaskRun` and `PlanStatus` check to be what it was.
  ///
  /// - Throws: `PlanError.notAPlan`; as `init(_:on:)`.
  public init(_ plan: Plan, on machine: FoldMachine) throws {
    guard let request = MergeRequest(plan.request) else {
      throw PlanError.notAPlan(
        path: plan.path, problem: "its request is damaged or of another version")
    }
    try self.init(request, on: machine)
  }

  /// Checks that no plan fills the place of an output.
  ///
  /// - Throws: `PlanError.held`.
  public static func checkFree(_ output: String) throws {
    try WorkOwner.check(ofOutput: output, for: nil)
  }

  /// A line about base weights that are not those whose SHA-256 the adapter carries; none where there
  /// are none. Reads the weights of blocks that carry one.
  ///
  /// - Throws: errors of reading.
  public func warningsOfOtherBase(on machine: FoldMachine) throws -> [String] {
    try adapter.warningsOfOtherBase(merge(on: machine) { _, _ in }.inputs)
  }

  // MARK: The merge

  /// The merge that all tasks are parts of.
  func merge(
    on machine: FoldMachine,
    _ progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void
  ) -> Merge {
    var merge = MergeJob.merge(request, base, captured, machine)
    merge.inputs.progress = progress
    merge.inputs.fitProgress = progress
    return merge
  }

  private static func merge(
    _ request: MergeRequest, _ base: BaseShards?, _ captured: CapturedInputs,
    _ machine: FoldMachine
  ) -> Merge {
    Merge(
      method: request.method,
      inputs: MergeInputs(
        base: base?.source,
        calibration: Calibration(captured, penalty: request.calibration.penalty),
        allowsNonFinite: request.allowsNonFinite, threads: machine.threads),
      truncation: request.truncation)
  }
}
