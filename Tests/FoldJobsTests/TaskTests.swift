import Adapters
import ByteIO
import FoldJobs
import Folding
import LoRATestSupport
import Planning
import Safetensors
import Tensors
import TestSupport
import Testing

/// Tasks that run apart from each other, and the plan file that they go by (Folding §6).
@Suite struct TaskTests {
  private func plan(_ made: JobCase, _ request: FoldRequest) throws -> String {
    let path = made.folder.file("plan")
    try Plan.write(FoldJob(request, on: JobCase.machine), to: path)
    return path
  }

  private func opened(_ path: String, threads: Int = 2) throws -> TaskRun<FoldJob> {
    let plan = try Plan(path: path)
    return try TaskRun(plan, FoldJob(plan, on: FoldMachine(threads: threads)))
  }

  private func run(_ plan: String, _ task: Int, threads: Int = 2) throws -> Bool {
    try opened(plan)(task, on: FoldMachine(threads: threads))
  }

  private func finish(_ plan: String) throws -> FoldJobResult? {
    try opened(plan).job.finish(of: plan)
  }

  @Test(
    "tasks in any order, each on its own, give the bytes of one run",
    arguments: [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
  func anyOrder(_ order: [Int]) throws {
    let made = try JobCase()
    try made.adapter()
    let request = made.request()
    let plan = try plan(made, request)
    for task in order {
      #expect(try run(plan, task, threads: 1 + task))
      #expect(try Paths.kind(of: request.output) == .absent)
    }
    // Once more does nothing.
    for task in order { #expect(try !run(plan, task)) }
    let result = try #require(try finish(plan))
    #expect(result.report.blocks.count == 12)
    #expect(result.resumedShards == 0)
    let whole = try made.run(made.request("expected"))
    #expect(try made.files("out") == made.files("expected"))
    #expect(result.report.blocks.map(\.realisedError) == whole.report.blocks.map(\.realisedError))
    #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
  }

  @Test("an output of one file goes by tasks too")
  func oneFile() throws {
    let made = try JobCase(shards: 1)
    try made.adapter()
    var request = made.request("out.safetensors")
    request.base = made.folder.file("base/model-00001-of-00001.safetensors")
    let plan = try plan(made, request)
    #expect(try opened(plan).plan.tasks.map(\.stage) == [.fold, .finish])
    #expect(try run(plan, 0))
    _ = try finish(plan)
    request.output = made.folder.file("whole.safetensors")
    try made.run(request)
    // Provenance, names and all.
    #expect(
      try FileSystem.contents(made.folder.file("out.safetensors"))
        == FileSystem.contents(request.output))
    #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
  }

  @Test("the end before all tasks names those that are missing, and leaves what there is")
  func early() throws {
    let made = try JobCase()
    try made.adapter()
    let plan = try plan(made, made.request())
    #expect(throws: PlanError.missingTasks([0, 1, 2])) { try finish(plan) }
    #expect(try run(plan, 1))
    #expect(throws: PlanError.missingTasks([0, 2])) { try finish(plan) }
    #expect(try run(plan, 0))
    #expect(try run(plan, 2))
    _ = try finish(plan)
    try made.expect(made.folder.file("out"), adds: made.deltas())
  }

  @Test("a number that is no task's is refused", arguments: [-1, 4])
  func noTask(_ number: Int) throws {
    let made = try JobCase()
    try made.adapter()
    let plan = try plan(made, made.request())
    #expect(throws: PlanError.noTask(found: number, count: 4)) { try run(plan, number) }
    let job = try FoldJob(made.request(), on: JobCase.machine)
    #expect(throws: PlanError.noTask(found: number, count: 4)) {
      try job.run(task: number, of: plan, on: JobCase.machine)
    }
  }

  @Test("the plan lists tasks with their bytes")
  func listing() throws {
    let made = try JobCase()
    try made.adapter()
    let request = made.request()
    let plan = try plan(made, request)
    let json = try #require(try TestFiles.json(Paths.join(plan, "plan.json")).object)
    let tasks = try #require(json["tasks"]?.array).compactMap(\.object)
    #expect(tasks.compactMap { $0.integer("task") } == [0, 1, 2, 3])
    #expect(tasks.compactMap { $0["stage"]?.string } == ["fold", "fold", "fold", "finish"])
    #expect(json.integer("bytes_read") == tasks.reduce(0) { $0 + ($1.integer("bytes_read") ?? 0) })
    let result = try made.run(request)
    #expect(json.integer("bytes_written") == result.bytesWritten)
    #expect(try opened(plan).job.request == request)
  }

  @Test("every setting goes through the plan file")
  func settings() throws {
    let made = try JobCase()
    try made.adapter("x")
    try made.adapter("y", seed: 2)
    var request = made.request(adapter: "x")
    request.adapters.append(.init(path: made.folder.file("y"), weight: -0.1))
    request.scale = 1.25
    request.dtype = .f32
    request.rounding = .stochastic(seed: .max)
    request.allowsUnmatched = true
    request.allowsNonFinite = true
    request.verification = .full
    request.maximumShardBytes = 5000
    request.recordsProvenance = false
    #expect(try opened(plan(made, request)).job.request == request)
  }

  // MARK: What changed since

  private func expectChanged(
    _ plan: String, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      throws: PlanError.changedSince(plan: plan, what: what), sourceLocation: sourceLocation
    ) { try opened(plan) }
  }

  @Test("a base that changed is refused: time, weights, size, header")
  func changedBase() throws {
    for change in 0..<3 {
      let made = try JobCase()
      try made.adapter()
      let plan = try plan(made, made.request())
      _ = try opened(plan)
      let path = Paths.join(made.base, "model-00002-of-00003.safetensors")
      let bytes = try FileSystem.contents(path)
      switch change {
      case 0: try FileSystem.write(bytes, to: path)
      case 1:
        try FileSystem.overwrite(path, at: bytes.count - 1, with: [bytes[bytes.count - 1] ^ 1])
      default:
        let file = try SafetensorsFile(path: path)
        try SafetensorsWriter.write(
          file, metadata: [("shard", "seven")], to: path, replacing: true)
      }
      expectChanged(
        plan, "the base's 'model-00002-of-00003.safetensors' (size, time or header)")
    }
  }

  @Test("an adapter that changed is refused: a byte of its weights or of its config")
  func changedAdapter() throws {
    for name in ["adapter_model.safetensors", "adapter_config.json"] {
      let made = try JobCase()
      try made.adapter()
      let plan = try plan(made, made.request())
      let path = made.folder.file("adapter/\(name)")
      let bytes = try FileSystem.contents(path)
      if name.hasSuffix("json") {
        try FileSystem.write(bytes + [0x20], to: path)
      } else {
        try FileSystem.overwrite(path, at: bytes.count - 1, with: [bytes[bytes.count - 1] ^ 1])
      }
      expectChanged(plan, "a file of an adapter")
    }
  }

  @Test("a shard that is gone is an error of its own")
  func missingShard() throws {
    let made = try JobCase()
    try made.adapter()
    let plan = try plan(made, made.request())
    try FileSystem.truncate(Paths.join(made.base, "model-00002-of-00003.safetensors"), to: 4)
    #expect(throws: SafetensorsError.self) { try opened(plan) }
  }

  // MARK: Damage

  @Test("a damaged plan is refused with its name")
  func damaged() throws {
    let made = try JobCase()
    try made.adapter()
    var request = made.request()
    request.dtype = .f32
    request.scale = 2
    let plan = try plan(made, request)
    let text = String(
      decoding: try FileSystem.contents(Paths.join(plan, "plan.json")), as: UTF8.self)
    func expectRefusal(
      _ from: String, _ to: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let changed = text.replacing(from, with: to)
      try #require(changed != text, "\(from)", sourceLocation: sourceLocation)
      try made.folder.write(text: changed, to: "plan/plan.json")
      let error = #expect(throws: PlanError.self, sourceLocation: sourceLocation) {
        try opened(plan)
      }
      guard case .notAPlan(plan, _) = error else {
        Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
        return
      }
    }
    try expectRefusal("\"version\": 1", "\"version\": 2")
    try expectRefusal("resloratool.plan", "resloratool.fold")
    try expectRefusal("\"scale\": 2", "\"scale\": \"2\"")
    try expectRefusal("\"scale\"", "\"skale\"")
    try expectRefusal("\"dtype\": \"F32\"", "\"dtype\": \"F33\"")
    try expectRefusal("\"dtype\": \"F32\"", "\"dtype\": \"I64\"")
    try expectRefusal("\"weight\": 1", "\"weight\": null")
    try expectRefusal("\"fingerprint\"", "\"finger\"")
    try expectRefusal("\"inputs\"", "\"puts\"")
    try expectRefusal("\"request\"", "\"quest\"")
    try expectRefusal("\"stage\": \"finish\"", "\"stage\": \"end\"")
    for length in [0, 1, text.utf8.count / 2, text.utf8.count - 3] {
      try made.folder.write(text: String(text.prefix(length)), to: "plan/plan.json")
      #expect(throws: PlanError.self) { try Plan(path: plan) }
    }
  }

  @Test("a plan whose request was edited does not fit its fingerprint")
  func edited() throws {
    let made = try JobCase()
    try made.adapter()
    let plan = try plan(made, made.request())
    let text = String(
      decoding: try FileSystem.contents(Paths.join(plan, "plan.json")), as: UTF8.self)
    try made.folder.write(
      text: text.replacing("\"scale\": 1", with: "\"scale\": 3"), to: "plan/plan.json")
    #expect(throws: PlanError.self) { try opened(plan) }
  }

  @Test("a shard that another plan's task put in its place is not taken for this plan's")
  func foreignShard() throws {
    let made = try JobCase()
    try made.adapter()
    var request = made.request()
    request.recordsProvenance = false
    let plan = try plan(made, request)
    for task in 0..<3 { _ = try run(plan, task) }
    // As a task of the same names and sizes leaves it that is killed before its record.
    let work = made.folder.file(".out.partial")
    let shard = Paths.join(work, "model-00002-of-00003.safetensors")
    var bytes = try FileSystem.contents(shard)
    bytes[bytes.count - 1] ^= 1
    try FileSystem.write(bytes, to: shard)
    #expect(throws: PlanError.missingTasks([1])) { try finish(plan) }
    #expect(try run(plan, 1))
    _ = try finish(plan)
    // And after the end nothing is done a second time.
    #expect(try !run(plan, 1))
    #expect(try finish(plan) == nil)
    #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
  }

  @Test("an end before any task leaves nothing behind")
  func earlyEnd() throws {
    let made = try JobCase()
    try made.adapter()
    let plan = try plan(made, made.request())
    #expect(throws: PlanError.missingTasks([0, 1, 2])) { try finish(plan) }
    #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
  }

  @Test("a config.json that changed between tasks is noticed")
  func changedConfig() throws {
    let made = try JobCase()
    try made.adapter()
    let plan = try plan(made, made.request())
    _ = try run(plan, 0)
    try made.folder.write(text: #"{"tie_word_embeddings": true}"#, to: "base/config.json")
    let error = #expect(throws: PlanError.self) { try opened(plan) }
    #expect("\(error.map { "\($0)" } ?? "")".contains("config.json"))
  }
}
