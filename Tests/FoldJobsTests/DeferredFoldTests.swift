import Adapters
import ByteIO
import FoldJobs
import Folding
import LoRATestSupport
import Merging
import Planning
import Safetensors
import Tensors
import TestSupport
import Testing

/// Merges by weights whose factors come out of the pass that folds (Folding §3.4).
@Suite struct DeferredFoldTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let fixture: String
    let shards: Int
    let isReversed: Bool
    var testDescription: String {
      "\(fixture), \(shards) shards\(isReversed ? ", chains backwards" : "")"
    }
  }

  static let cases = [
    "synthetic/is-basic", "synthetic/is-tree", "synthetic/ms-pre2", "synthetic/ms-all",
    "synthetic/is-root-none",
  ].flatMap { fixture in
    [(1, false), (2, false), (3, true), (50, true), (4, false)].map {
      Case(fixture: fixture, shards: $0.0, isReversed: $0.1)
    }
  }

  /// A fixture's base in so many shards, layer after layer or the last one first.
  private struct Sharded {
    let folder = TemporaryFolder()
    let fixture: FixtureCase
    let source: SafetensorsFile
    let base: String

    /// A folder for what a plan notes.
    var plan: String { folder.folder("plan") }

    init(_ test: Case) throws {
      fixture = FixtureCase(test.fixture)
      source = try SafetensorsFile(path: fixture.basePath)
      base = folder.folder("base")
      var order = source.tensors.indices.sorted {
        source.tensors[$0].name < source.tensors[$1].name
      }
      if test.isReversed { order.reverse() }
      let count = min(test.shards, order.count)
      var map: [String] = []
      for shard in 0..<count {
        let own = order.indices.filter { $0 * count / order.count == shard }.map { order[$0] }
        let name = "shard-\(100 + shard).safetensors"
        let tensors = try own.map { (source.tensors[$0], try source.bytes(of: $0)) }
        try SafetensorsWriter.write(
          MemoryTensorSource(label: name, tensors: tensors), metadata: [],
          to: Paths.join(base, name), replacing: false)
        map += tensors.map { "\"\($0.0.name)\": \"\(name)\"" }
      }
      try folder.write(
        text: "{\"weight_map\": {\(map.joined(separator: ","))}}",
        to: "base/model.safetensors.index.json")
    }

    func request(_ output: String = "out") throws -> FoldRequest {
      var request = FoldRequest(
        adapters: [.init(path: fixture.adapterPath)], base: base, output: folder.file(output))
      request.method = "bw"
      request.stated.root = try fixture.expected()["root"]?.string.flatMap(RootRule.init(rawValue:))
      return request
    }

    /// The weights that merge and fold, one after the other, give.
    func expected() throws -> FoldedTensors {
      let root = try fixture.expected()["root"]?.string.flatMap(RootRule.init(rawValue:))
      let adapter = try Adapter(
        path: fixture.adapterPath, overrides: AdapterOverrides(root: root))
      let lora = try Merge(method: "bw", inputs: MergeInputs(base: source)).run(adapter).lora
      let plan = try FoldPlan(base: source, lora: lora, allowingUnmatched: false)
      let sink = MemorySink(plan.tensors)
      _ = try Fold(threads: 1).run(plan, into: sink)
      return FoldedTensors(
        bytes: Dictionary(
          uniqueKeysWithValues: plan.tensors.indices.map {
            (plan.tensors[$0].name, sink.bytes(of: $0))
          }))
    }

    func found(_ output: String) throws -> FoldedTensors {
      let source = try FoldBase(path: output).source
      return FoldedTensors(
        bytes: Dictionary(
          uniqueKeysWithValues: try source.tensors.indices.map {
            (source.tensors[$0].name, try source.bytes(of: $0))
          }))
    }
  }

  private struct FoldedTensors: Equatable {
    let bytes: [TensorName: [UInt8]]
  }

  @Test("one pass gives what merging and then folding gives, to the bit", arguments: cases)
  func onePass(_ test: Case) throws {
    let made = try Sharded(test)
    let request = try made.request()
    for threads in [1, 3] {
      var request = request
      request.output = made.folder.file("out\(threads)")
      let machine = FoldMachine(threads: threads)
      let job = try FoldJob(request, on: machine)
      #expect(job.adapters[0].method == "bw")
      _ = try job.run(on: machine)
      #expect(try made.found(request.output) == made.expected())
      let once = made.source.tensors.reduce(0) { $0 + $1.byteCount }
      #expect(job.bytesRead >= once)
      if test.shards == 1 { #expect(job.bytesRead == once, "one shard is read once") }
      // The norms of earlier blocks of a chain that stands backwards are read ahead of them.
      if test.isReversed { #expect(job.bytesRead > once) }
    }
  }

  @Test("tasks give the same, statistics first, in any order and twice", arguments: cases)
  func tasks(_ test: Case) throws {
    if test.shards == 50 && test.fixture != "synthetic/ms-pre2" { return }
    let made = try Sharded(test)
    let path = made.folder.file("plan")
    let request = try made.request()
    let plan = try Plan.write(FoldJob(request, on: JobCase.machine), to: path)
    // Every time opened anew, as other machines do.
    func run(_ task: Int) throws -> Bool {
      let plan = try Plan(path: path)
      return try TaskRun(plan, FoldJob(plan, on: JobCase.machine))(task, on: JobCase.machine)
    }
    #expect(plan.tasks.stages == [.statistics, .combine, .fold, .finish])
    let (statistics, folds) = (
      plan.tasks.numbers(of: .statistics), plan.tasks.numbers(of: .fold)
    )
    #expect(statistics.count == (try FoldBase(path: made.base).shards.count))
    #expect(statistics.upperBound + 1 == folds.lowerBound)
    for task in statistics.dropFirst().reversed() { #expect(try run(task)) }
    // Not before all statistics are there, and combined.
    let combine = statistics.upperBound
    #expect(throws: PlanError.missingTasks([0])) { try run(combine) }
    #expect(try run(0))
    #expect(try !run(0))
    #expect(throws: PlanError.missingTasks([combine])) { try run(folds.lowerBound) }
    #expect(try run(combine))
    #expect(try !run(combine))
    #expect(throws: PlanError.missingTasks(Array(folds))) { try run(folds.upperBound) }
    for task in folds.reversed() {
      #expect(try run(task))
      #expect(try !run(task))
    }
    #expect(try run(folds.upperBound))
    #expect(try !run(folds.upperBound))
    #expect(try made.found(request.output) == made.expected())
    // And so does one run.
    let whole = try made.request("whole")
    _ = try FoldJob(whole, on: JobCase.machine).run(on: JobCase.machine)
    for name in try Paths.entries(of: request.output) {
      #expect(
        try FileSystem.contents(Paths.join(request.output, name))
          == FileSystem.contents(Paths.join(whole.output, name)), "\(name)")
    }
  }

  @Test("a killed fold goes on with the statistics of its shards")
  func resumed() throws {
    let made = try Sharded(Case(fixture: "synthetic/is-basic", shards: 4, isReversed: true))
    let request = try made.request()
    let job = try FoldJob(request, on: JobCase.machine)
    for task in [0, 1, 2, 3, 4, 5, 7] {
      _ = try job.run(task: task, of: made.plan, on: JobCase.machine)
    }
    // As a run on one machine leaves it.
    try FileSystem.remove(Paths.join(OutputFolder.temporaryPath(of: request.output), ".owner.json"))
    let result = try FoldJob(request, on: JobCase.machine).run(on: JobCase.machine)
    #expect(result.resumedShards == 2)
    #expect(try made.found(request.output) == made.expected())
  }

  @Test("it joins with a plain adapter, an undo file, and a change of dtype")
  func together() throws {
    let made = try Sharded(Case(fixture: "synthetic/is-basic", shards: 3, isReversed: true))
    let undo = made.folder.file("undo")
    let request = try made.request()
    _ = try FoldJob(request, on: JobCase.machine).run(undo: undo, on: JobCase.machine)
    let back = made.folder.file("back")
    try UnfoldJob(undo: undo, folded: request.output)
      .run(to: back, replacing: false, on: JobCase.machine)
    for name in try Paths.entries(of: made.base) {
      #expect(
        try FileSystem.contents(Paths.join(back, name))
          == FileSystem.contents(Paths.join(made.base, name)), "\(name)")
    }
    var wide = try made.request("wide")
    wide.dtype = .f64
    _ = try FoldJob(wide, on: JobCase.machine).run(on: JobCase.machine)
    // float64 of the merge and of the weights, not of the rounded fold.
    let folded = try FoldBase(path: wide.output).source
    let narrow = try made.expected()
    for (index, info) in folded.tensors.enumerated() where info.dtype == .f64 {
      let before = try #require(made.source.index(of: info.name))
      let dtype = made.source.tensors[before].dtype
      let rounded = Conversion.bytes(from: try folded.float64(of: index), dtype: dtype)
      #expect(rounded == narrow.bytes[info.name], "\(info.name)")
    }
  }

  @Test("merging twice in one fold adds both")
  func twice() throws {
    let made = try Sharded(Case(fixture: "synthetic/is-basic", shards: 3, isReversed: true))
    var request = try made.request()
    request.adapters = [
      .init(path: made.fixture.adapterPath, weight: 0.5),
      .init(path: made.fixture.adapterPath, weight: 0.5),
    ]
    _ = try FoldJob(request, on: JobCase.machine).run(on: JobCase.machine)
    let (found, wanted) = (try made.found(request.output), try made.expected())
    for info in made.source.tensors where info.dtype == .f32 {
      let (one, other) = (
        try #require(found.bytes[info.name]), try #require(wanted.bytes[info.name])
      )
      let isFine = zip(Self.floats(one), Self.floats(other)).allSatisfy {
        abs($0 - $1) <= 2e-7 * max(1, abs($1))
      }
      #expect(isFine, "\(info.name)")
    }
  }

  private static func floats(_ bytes: [UInt8]) -> [Double] {
    bytes.withUnsafeBytes { Conversion.float64(from: $0, dtype: .f32) }
  }

  @Test("a tied output layer that is stored twice is measured once, and both change")
  func tied() throws {
    let published = try PublishedFolder(
      modules: ["layers.0.q", "output"], config: ["target_modules": #""q.output""#])
    let folder = published.folder
    try published.writeTopology(
      #"{"previous": {"layers.0.q": null, "output": "layers.0.q"}, "root": "self"}"#)
    _ = folder.folder("base")
    let values = (0..<16).map { Double($0) - 7.5 }
    try folder.write(
      tensors: ["embed_tokens", "output"].map {
        TestTensor(TensorName("\($0).weight"), [4, 4], values: values)
      } + [TestTensor("layers.0.q.weight", [4, 4])], to: "base/model.safetensors")
    try folder.write(text: #"{"tie_word_embeddings": true}"#, to: "base/config.json")
    var request = FoldRequest(
      adapters: [.init(path: published.path)], base: folder.file("base"),
      output: folder.file("out"))
    request.method = "bw"
    request.stated.topology = published.topologyPath
    _ = try FoldJob(request, on: JobCase.machine).run(on: JobCase.machine)
    let source = try FoldBase(path: request.output).source
    let (one, other) = (
      try #require(source.index(of: "embed_tokens.weight")),
      try #require(source.index(of: "output.weight"))
    )
    #expect(try source.bytes(of: one) == source.bytes(of: other))
    #expect(try source.float64(of: one) != values)
  }

  @Test("statistics on 8-bit weights are refused by name")
  func quantised() throws {
    let fixture = FixtureCase("synthetic/is-basic")
    let source = try SafetensorsFile(path: fixture.basePath)
    let folder = TemporaryFolder()
    let tensors = try source.tensors.indices.flatMap { index -> [(TensorInfo, [UInt8])] in
      let info = source.tensors[index]
      guard info.name.string.hasSuffix("q_proj.weight") else {
        return [(info, try source.bytes(of: index))]
      }
      return [
        (
          try TensorInfo(name: info.name, dtype: .f8E4M3, shape: info.shape),
          [UInt8](repeating: 0x30, count: info.elementCount)
        ),
        (
          try TensorInfo(
            name: TensorName("\(info.name)_scale_inv"), dtype: .f32,
            shape: info.shape.map { ($0 + 127) / 128 }), Conversion.bytes(from: [0.1], dtype: .f32)
        ),
      ]
    }
    let path = folder.file("base.safetensors")
    try SafetensorsWriter.write(
      MemoryTensorSource(label: "x", tensors: tensors), metadata: [], to: path, replacing: false)
    var request = FoldRequest(
      adapters: [.init(path: fixture.adapterPath)], base: path,
      output: folder.file("out.safetensors"))
    request.method = "bw"
    let error = #expect(throws: BaseMatchError.self) {
      try FoldJob(request, on: JobCase.machine)
    }
    #expect("\(error.map { "\($0)" } ?? "")".contains("q_proj.weight"))
    // Without statistics it is folded.
    request.method = "none"
    _ = try FoldJob(request, on: JobCase.machine).run(on: JobCase.machine)
    #expect(folder.entries.contains("out.safetensors"))
  }
}
