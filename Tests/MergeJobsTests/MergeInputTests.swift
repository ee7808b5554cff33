import Activations
import Adapters
import ByteIO
import FoldJobs
import MergeJobs
import Planning
import Merging
import ResLoRAContainer
import Safetensors
import Tensors
import TestSupport
import Testing

/// What a merge in tasks takes, and how it is known again (Replay §9).
@Suite struct MergeInputTests {
  private static let fixture = FixtureCase("minilm/is")

  /// A case whose adapter and base lie in its folder, the base in two shards.
  private func copied(penalty: Double? = 0.1) throws -> MergeCase {
    var made = try MergeCase(MergeInputTests.fixture, penalty: penalty, files: 3)
    let adapter = made.folder.folder("adapter")
    for name in ["pytorch_model_lora.bin", "reslora_config.json"] {
      try made.folder.write(
        ReadableFile.contents(of: MergeInputTests.fixture.path(name), limit: 1 << 24),
        to: "adapter/\(name)")
    }
    made.request.adapter = adapter
    let windows = try #require(made.request.stated.windows)
    made.request.stated.windows = try made.folder.write(
      FileSystem.contents(windows), to: "windows.json")
    let base = try SafetensorsFile(path: MergeInputTests.fixture.basePath)
    var map: [String] = []
    for part in 0..<2 {
      let tensors = base.tensors.enumerated().filter { $0.offset % 2 == part }
      let name = "model-0000\(part + 1)-of-00002.safetensors"
      _ = made.folder.folder("base")
      try SafetensorsWriter.write(
        MemoryTensorSource(
          label: name, tensors: tensors.map { ($0.element, try base.bytes(of: $0.offset)) }),
        metadata: [], to: made.folder.file("base/\(name)"), replacing: true)
      map += tensors.map { "\"\($0.element.name)\": \"\(name)\"" }
    }
    try made.folder.write(
      Array("{\"weight_map\": {\(map.joined(separator: ", "))}}".utf8),
      to: "base/model.safetensors.index.json")
    made.request.base = made.folder.file("base")
    return made
  }

  @Test("statistics of several shards are put together")
  func shards() throws {
    let made = try copied()
    let job = try made.job()
    #expect(job.tasks.filter { $0.stage == .statistics }.count == 2)
    for number in job.tasks.indices {
      _ = try job.run(task: number, of: made.plan, on: MergeCase.machine)
    }
    #expect(try made.files("out") == made.merged().files)
  }

  @Test("what changed since is named, and results of before are not taken")
  func changed() throws {
    let made = try copied()
    let job = try made.job()
    try made.run([0])
    let plan = Plan(job, at: "plan")
    try plan.check(made.job())
    func expectChanged(_ what: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let now = try made.job()
      #expect(
        throws: PlanError.changedSince(plan: "plan", what: what), sourceLocation: sourceLocation
      ) { try plan.check(now) }
      #expect(try !now.finishedTasks(of: made.plan)[0], sourceLocation: sourceLocation)
    }
    func rewriting(
      _ name: String, _ body: (String, [UInt8]) throws -> Void, _ check: () throws -> Void
    ) throws {
      let path = made.folder.file(name)
      let bytes = try ReadableFile.contents(of: path, limit: 1 << 26)
      try body(path, bytes)
      try check()
    }
    // Each of them leaves the ones that are listed before it as they were.
    try rewriting(
      "several/part-1.safetensors",
      { try FileSystem.overwrite($0, at: $1.count - 1, with: [$1[$1.count - 1] ^ 1]) },
      { try expectChanged("the captured inputs' 'part-1.safetensors' (size, time or header)") })
    try rewriting(
      "windows.json", { try FileSystem.write($1 + [0x20], to: $0) },
      { try expectChanged("the adapter's 'windows.json'") })
    try rewriting(
      "adapter/reslora_config.json", { try FileSystem.write($1 + [0x20], to: $0) },
      { try expectChanged("the adapter's 'reslora_config.json'") })
    try rewriting(
      "base/model-00002-of-00002.safetensors", { try FileSystem.write($1, to: $0) },
      {
        try expectChanged("the base's 'model-00002-of-00002.safetensors' (size, time or header)")
      })
    var other = made
    other.request.calibration.penalty = 0.2
    #expect(throws: PlanError.self) { try plan.check(other.job()) }
  }

  @Test("a request goes through JSON")
  func json() throws {
    var request = MergeRequest(
      adapter: "a", calibration: .init(path: "x", tokens: 7, penalty: 0.5), output: "o")
    #expect(MergeRequest(request.json) == request)
    request.base = "b"
    request.calibration.penalty = .infinity
    request.method = "calibrated"
    request.truncation = .energy(0.9)
    request.stated.windows = "w"
    request.stated.topology = "t"
    request.stated.root = RootRule.ownInput
    request.stated.reach = PredecessorCount(2)
    request.format = "reslora"
    request.compression = .zlib
    request.dtype = .bf16
    request.allowsNonFinite = true
    request.replacing = true
    #expect(MergeRequest(request.json) == request)
    #expect(
      try MergeRequest(JSONValue(parsing: Array(request.json.serialized().utf8))) == request)
    request.truncation = .rank(3)
    #expect(MergeRequest(request.json) == request)
    let text = request.json.serialized()
    for (from, to) in [
      ("\"force\"", "\"farce\""), ("\"BF16\"", "\"I64\""), ("\"zlib\"", "\"rar\""),
      ("\"tokens\":7", "\"tokens\":7.5"), ("\"path\"", "\"pith\""), ("\"adapter\"", "\"adopter\""),
      ("\"rank\":3", "\"rang\":3"), ("\"inf\"", "\"nan\""),
    ] {
      let damaged = text.replacing(from, with: to)
      #expect(damaged != text, "\(from)")
      #expect(try MergeRequest(JSONValue(parsing: Array(damaged.utf8))) == nil, "\(from)")
    }
  }

  @Test("what is no work for tasks is refused")
  func refusals() throws {
    var made = try MergeCase(MergeInputTests.fixture)
    for method in ["ls", "auto", "bw", "bi", "none"] {
      made.request.method = method
      #expect(throws: MergeJobError.notPlanned(method: method)) { try made.job() }
    }
    made.request.method = nil
    #expect(try made.job().tasks.last?.stage == .finish)
    made.request.format = "zip"
    let error = #expect(throws: MergeJobError.self) { try made.job() }
    #expect(error?.failureKind == .usage)
    let blocks = try MergeCase(FixtureCase("minilm/bs"))
    #expect(throws: MergeJobError.notPlanned(method: "exact")) { try blocks.job() }
    var many = try MergeCase(MergeInputTests.fixture, tokens: 1000)
    many.request.method = "calibrated"
    #expect(throws: CaptureError.self) { try many.job() }
  }

  @Test("a task that runs twice at the same time does no harm")
  func twice() async throws {
    let made = try copied()
    let (job, plan) = (try made.job(), made.plan)
    for number in job.tasks.indices {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 {
          group.addTask {
            do {
              _ = try job.run(task: number, of: plan, on: MergeCase.machine)
            } catch PlanError.held where number == job.tasks.count - 1 {
              // The end is for one alone.
            }
          }
        }
        try await group.waitForAll()
      }
    }
    #expect(try made.files("out") == made.merged().files)
    #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
  }
}
