import Activations
import Adapters
import ByteIO
import Merging
import Replaying
import Safetensors
import Tensors
import TestSupport
import Testing

/// A case of `Fixtures/` with captured inputs, and what the float64 generator says of them.
struct ReplayFixture {
  let fixture: FixtureCase
  let adapter: Adapter
  let expected: JSONObject

  /// All cases that have captured inputs.
  static let all = FixtureCase.all.filter { (try? Paths.kind(of: $0.path("replay.json"))) == .file }
  /// Those of them that are small.
  static let synthetic = FixtureCase.synthetic.filter {
    (try? Paths.kind(of: $0.path("replay.json"))) == .file
  }

  init(_ fixture: FixtureCase) throws {
    self.fixture = fixture
    let root = try fixture.expected()["root"]?.string.flatMap(RootRule.init(rawValue:))
    adapter = try Adapter(
      path: fixture.adapterPath,
      overrides: AdapterOverrides(
        root: root, windows: try fixture.windowsPath.map { try WindowsFile(path: $0) }))
    expected = try #require(try TestFiles.json(fixture.path("replay.json")).object)
  }

  func base() throws -> any TensorSource { try SafetensorsFile(path: fixture.basePath) }

  func inputs(_ name: String, tokens: Int? = nil) throws -> CapturedInputs {
    try CapturedInputs(
      ActivationFile(path: fixture.path("activations-\(name).safetensors")), for: adapter,
      tokens: tokens)
  }

  /// The settings of a merge; `-bi` after a method leaves the base out.
  func mergeInputs(_ method: String, threads: Int = 2) throws -> MergeInputs {
    MergeInputs(
      base: method.hasSuffix("-bi") ? nil : try base(),
      calibration: Calibration(try inputs("calibration")), threads: threads)
  }

  func merge(
    _ method: String, truncation: RankTruncation? = nil, threads: Int = 2
  ) throws -> Merge.Decision {
    try Merge(
      method: method.hasSuffix("-bi") ? String(method.dropLast(3)) : method,
      inputs: mergeInputs(method, threads: threads), truncation: truncation
    ).decide(adapter)
  }

  func replay(threads: Int = 2) throws -> Replay {
    var replay = Replay(adapter: adapter, inputs: try inputs("heldout"), base: try base())
    replay.threads = threads
    return replay
  }

  func candidate(_ merge: Merge.Decision) throws -> ReplayCandidate {
    try ReplayCandidate(
      name: merge.method, lora: merge.lora, of: adapter, alpha: merge.blocks.map(\.alpha))
  }
}

/// Whether a figure is what is expected: an error that is only rounding counts as 0.
func expectFigure(
  _ found: Double?, _ expected: JSONValue?, to tolerance: Double, floor: Double = 1e-12,
  _ what: String, _ location: SourceLocation = #_sourceLocation
) {
  guard let wanted = expected?.number?.double else {
    #expect(
      found == nil, "\(what): \(String(describing: found)), not null", sourceLocation: location)
    return
  }
  guard let found else {
    Issue.record("\(what): nil, not \(wanted)", sourceLocation: location)
    return
  }
  #expect(
    abs(found - wanted) <= tolerance * abs(wanted) + floor, "\(what): \(found), not \(wanted)",
    sourceLocation: location)
}
