internal import Activations
public import Adapters
internal import ByteIO
internal import Folding
public import HDF5
internal import Merging
internal import Tensors

/// An adapter of a fold, opened: what it is, how it is merged, and what it does to the base.
public struct OpenedAdapter: Sendable {
  /// The path it was opened by.
  public let path: String
  /// What its deltas are multiplied by, the fold's scale included.
  public let weight: Double
  /// The format it was read from.
  public let format: String
  /// Its structure; plain for adapters without links.
  public let structure: Structure
  /// The kinds of its updates, each once: "LoRA", "DoRA".
  public let kinds: [String]
  /// The merge method; `none` where nothing is to be merged.
  public let method: String
  /// Why that method, where it is not the one asked for.
  public let reason: String?
  /// What the reader concluded, one line each.
  public let notes: [String]
  /// What its base should be and is not, one line each.
  public let warnings: [String]
  /// The files that hold its tensors.
  public let files: [String]

  /// The SHA-256 of each of `files`.
  let digests: [String]
  /// Other files that decide what those mean, and the SHA-256 of each.
  let sidecars: [(path: String, digest: String)]
  let input: FoldInput
  /// The merge whose factors come out of the fold itself; nil where they are known.
  let deferred: DeferredMerge?

  /// Whether its factors come from the base's weights by a merge before the fold.
  let needsWholeBase: Bool

  /// No statistics yet, for each block of a merge that goes along.
  var nothingKnown: [BlockStatistics?] {
    [BlockStatistics?](repeating: nil, count: deferred?.merge.order.count ?? 0)
  }

  /// Opens all adapters of a request, and merges those that have to be merged first: all but one, for
  /// two merges that go along with the fold could wait for each other.
  static func all(
    of request: FoldRequest, _ base: FoldBase, _ machine: FoldMachine
  ) throws -> [OpenedAdapter] {
    var opened: [OpenedAdapter] = []
    for choice in request.adapters {
      let mayDefer = opened.allSatisfy { $0.deferred == nil }
      opened.append(try open(choice, request, base, machine, mayDefer: mayDefer))
    }
    return opened
  }

  private static func open(
    _ choice: FoldRequest.AdapterChoice, _ request: FoldRequest, _ base: FoldBase,
    _ machine: FoldMachine, mayDefer: Bool
  ) throws -> OpenedAdapter {
    // Digests are of files that are opened once more, which must be the same ones.
    let before = try FileIdentities(at: choice.path)
    let opened =
      if let updates = try AdapterUpdates(path: choice.path, hdf5: machine.hdf5),
        !updates.isPlain || updates.isFlattened && !request.asksForMerge
      {
        try OpenedAdapter(updates.fitted(to: base.source), choice, request, machine)
      } else {
        try OpenedAdapter(choice, request, base, machine, mayDefer: mayDefer)
      }
    try before.check(opened.files + opened.sidecars.map(\.path))
    return opened
  }

  /// An adapter of a foreign format that is folded as it is.
  private init(
    _ updates: AdapterUpdates, _ choice: FoldRequest.AdapterChoice, _ request: FoldRequest,
    _ machine: FoldMachine
  ) throws {
    let kinds = updates.updates.map(\.kind).uniqued
    if request.asksForMerge {
      throw FoldJobError.nothingToMerge(adapter: choice.path, kinds: kinds)
    }
    path = choice.path
    weight = choice.weight * request.scale
    format = updates.format
    structure = .plain
    self.kinds = kinds
    (method, reason) = ("none", nil)
    notes = updates.notes
    warnings = []
    files = updates.files
    digests = try OpenedAdapter.digests(of: updates.files, machine)
    sidecars = try OpenedAdapter.sidecars(of: updates.files, request, machine)
    deferred = nil
    needsWholeBase = false
    input = FoldInput(label: choice.path, updates: updates.updates, weight: weight)
  }

  /// A ResLoRA adapter, or a plain LoRA of linear layers.
  private init(
    _ choice: FoldRequest.AdapterChoice, _ request: FoldRequest, _ base: FoldBase,
    _ machine: FoldMachine, mayDefer: Bool
  ) throws {
    let adapter = try Adapter(
      path: choice.path, overrides: request.stated.overrides(machine.hdf5), hdf5: machine.hdf5)
    var inputs = MergeInputs(
      base: base.source, profile: request.profile, allowsNonFinite: request.allowsNonFinite,
      threads: machine.threads)
    inputs.progress = machine.mergeProgress
    inputs.fitProgress = machine.fitProgress
    inputs.calibration = try request.calibration.map { choice in
      let file = try ActivationFile(path: choice.path, hdf5: machine.hdf5)
      return Calibration(
        try CapturedInputs(file, for: adapter, tokens: choice.tokens), penalty: choice.penalty)
    }
    path = choice.path
    weight = choice.weight * request.scale
    // A method is for adapters with links; beside such a one, a plain LoRA is folded as it is.
    let isPlainBesideOthers = adapter.structure == .plain && request.adapters.count > 1
    let merge = Merge(
      method: isPlainBesideOthers ? nil : request.method, inputs: inputs,
      truncation: request.truncation)
    let mergeWarnings: [String]
    if let (stepwise, why) = try merge.stepwise(adapter), mayDefer,
      try !OpenedAdapter.isTied(adapter, base)
    {
      // Every weight is needed, whatever a fold may leave out.
      _ = try BaseMatch(
        adapter.blocks.map(BaseMatch.Wanted.init), in: base.source, allowingUnmatched: false)
      let deferred = DeferredMerge(stepwise, base.source)
      self.deferred = deferred
      input = deferred.input(label: choice.path, weight: weight)
      (method, reason) = (WeightBasedMerge.name, why)
      needsWholeBase = false
      mergeWarnings = merge.warningsOfUnusedCalibration(
        WeightBasedMerge.self, cutsRanks: false)
    } else {
      let decision = try merge.decide(adapter)
      deferred = nil
      input = FoldInput(label: choice.path, updates: decision.lora.updates, weight: weight)
      (method, reason) = (decision.method, decision.reason)
      mergeWarnings = decision.warnings
      // A fit may be drawn towards bw, which takes statistics of all weights.
      needsWholeBase =
        method == WeightBasedMerge.name || method == CalibratedMerge.name
        || method == AutomaticMerge.name
    }
    format = adapter.format
    structure = adapter.structure
    kinds = ["LoRA"]
    notes = adapter.notes
    warnings = try adapter.warningsOfOtherBase(inputs) + mergeWarnings
    files = adapter.files
    digests = try OpenedAdapter.digests(of: adapter.files, machine)
    sidecars = try OpenedAdapter.sidecars(of: adapter.files, request, machine)
  }

  /// Whether the weight of a block is stored under a second name too, where it changes alike: a merge
  /// that goes along with the fold would meet it twice.
  private static func isTied(_ adapter: Adapter, _ base: FoldBase) throws -> Bool {
    let source = base.source
    let ties = base.ties.map { [$0.embedding, $0.output] }.filter { names in
      names.allSatisfy { source.index(of: $0) != nil }
    }
    guard !ties.isEmpty else { return false }
    let match = try BaseMatch(
      adapter.blocks.map(BaseMatch.Wanted.init), in: source, allowingUnmatched: false)
    let names = Set(match.weights.compactMap { $0 }.map { source.tensors[$0].name })
    return ties.contains { !names.isDisjoint(with: $0) }
  }

  private static func digests(of files: [String], _ machine: FoldMachine) throws -> [String] {
    try Parallel.map(files.count, threads: machine.threads) { position in
      try SHA256Hasher.digest(ofFile: files[position]).hexadecimal
    }
  }

  /// Configs beside an adapter's tensors, and what is stated of its links.
  private static func sidecars(
    of files: [String], _ request: FoldRequest, _ machine: FoldMachine
  ) throws -> [(path: String, digest: String)] {
    var found = files.map(Paths.parent(of:)).uniqued.flatMap { folder in
      ["adapter_config.json", "reslora_config.json"].map { Paths.join(folder, $0) }
    }
    let stated = [
      request.stated.windows, request.stated.topology, request.calibration?.path,
    ]
    for path in stated.compactMap({ $0 }) {
      found +=
        try Paths.kind(of: path) == .folder
        ? Paths.entries(of: path).map { Paths.join(path, $0) } : [path]
    }
    found = try found.filter { try !files.contains($0) && Paths.kind(of: $0) == .file }
    return Array(zip(found, try digests(of: found, machine)))
  }
}

/// What a fold may use of the machine it runs on.
public struct FoldMachine: Sendable {
  /// The most threads to use.
  public var threads: Int
  /// How HDF5 files are listed.
  public var hdf5: HDF5Reading
  /// Called with the bytes of the base that a merge has read and will read; an error it throws stops
  /// the work.
  public var mergeProgress: @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  /// The same with the steps of a fit on captured inputs.
  public var fitProgress: @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }

  /// Describes a machine.
  public init(threads: Int, hdf5: HDF5Reading = .inProcess) {
    self.threads = threads
    self.hdf5 = hdf5
  }
}

extension FoldRequest.Stated {
  /// Reads the files and collects the overrides.
  package func overrides(_ hdf5: HDF5Reading) throws -> AdapterOverrides {
    AdapterOverrides(
      topology: try topology.map { try TopologyFile(path: $0) }, root: root, reach: reach,
      windows: try windows.map { try WindowsFile(path: $0, hdf5: hdf5) })
  }
}
