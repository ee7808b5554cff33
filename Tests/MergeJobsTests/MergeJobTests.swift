import Adapters
import ByteIO
import FoldJobs
import MergeJobs
import Planning
import Merging
import Tensors
import TestSupport
import Testing

/// How a merge is asked for.
struct Setting: CustomStringConvertible {
  let name: String
  var tokens: Int?
  var penalty: Double?
  var hasBase = true
  var files = 1
  /// Whether sums of folds are tasks of their own.
  var isPrimal = true

  var description: String {
    "\(name) tokens \(tokens ?? 0) penalty \(penalty ?? 0) base \(hasBase) files \(files)"
  }

  func made() throws -> MergeCase {
    try MergeCase(
      FixtureCase("minilm/\(name)"), tokens: tokens, penalty: penalty, hasBase: hasBase,
      files: files)
  }

  /// A cross-validated fit in the primal form for each structure, and others.
  static let all =
    [Setting(name: "is"), Setting(name: "ms", hasBase: false, files: 3)]
    + ["is", "ms"].flatMap { name in
      [
        Setting(name: name, penalty: 0.01, files: 3),
        Setting(name: name, tokens: 310, penalty: 1, hasBase: false),
        Setting(name: name, tokens: 100, files: 3, isPrimal: false),
        Setting(name: name, tokens: 40, hasBase: false, isPrimal: false),
      ]
    }
}

/// Merges by `calibrated` in tasks (Replay §9).
@Suite struct MergeJobTests {
  @Test("tasks in order give the bytes and the report of one run", arguments: Setting.all)
  func inOrder(_ setting: Setting) throws {
    let made = try setting.made()
    let job = try made.job()
    #expect(job.tasks.contains { $0.stage == .gram } == setting.isPrimal)
    #expect(job.tasks.contains { $0.stage == .statistics } == setting.hasBase)
    try made.run(job.tasks.indices.dropLast())
    #expect(try Paths.kind(of: made.request.output) == .absent)
    let result = try #require(try made.job().finish(of: made.plan, on: MergeCase.machine))
    let (expected, files) = try made.merged()
    #expect(try made.files("out") == files)
    #expect(MergeCase.areSame(result.merge, expected))
    #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
  }

  @Test("tasks in any order within their stages, twice, and on other numbers of threads")
  func anyOrder() throws {
    for name in ["is", "ms"] {
      let made = try MergeCase(FixtureCase("minilm/\(name)"), penalty: 0.1, files: 3)
      let job = try made.job()
      var generator = SeededGenerator(seed: 5)
      for kind in PlannedTask.Stage.allCases.dropLast() {
        let stage = job.tasks.indices.filter { job.tasks[$0].stage == kind }
          .map { ($0, generator.next()) }.sorted { $0.1 < $1.1 }.map(\.0)
        for (position, number) in stage.enumerated() {
          #expect(try !job.finishedTasks(of: made.plan)[number])
          try made.run([number], threads: 1 + position % 3)
          #expect(try job.finishedTasks(of: made.plan)[number])
          #expect(try !job.run(task: number, of: made.plan, on: MergeCase.machine))
        }
      }
      #expect(try job.run(task: job.tasks.count - 1, of: made.plan, on: MergeCase.machine))
      #expect(try made.files("out") == made.merged().files)
      // After the end nothing is done a second time.
      for number in job.tasks.indices {
        #expect(try job.finishedTasks(of: made.plan)[number])
        #expect(try !job.run(task: number, of: made.plan, on: MergeCase.machine))
      }
      #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
    }
  }

  @Test("one file in another format, another dtype, ranks cut")
  func otherOutputs() throws {
    var made = try MergeCase(FixtureCase("minilm/is"), tokens: 100)
    made.request.format = "safetensors"
    made.request.dtype = .f16
    made.request.truncation = .rank(2)
    let job = try made.job()
    for number in job.tasks.indices {
      _ = try job.run(task: number, of: made.plan, on: MergeCase.machine)
    }
    #expect(try made.files("out") == made.merged().files)
    // In the place of another.
    made.request.replacing = true
    try made.folder.write([1], to: "out")
    let again = try made.job()
    #expect(again.fingerprint == job.fingerprint)
    for number in job.tasks.indices {
      _ = try again.run(task: number, of: made.plan, on: MergeCase.machine)
    }
    #expect(try made.files("out") == made.files("expected"))
  }

  // MARK: What is missing

  private func tasks(_ job: MergeJob, _ kind: PlannedTask.Stage) -> [Int] {
    job.tasks.indices.filter { job.tasks[$0].stage == kind }
  }

  @Test("a task whose needs are missing names them")
  func missing() throws {
    let made = try MergeCase(FixtureCase("minilm/is"), penalty: 0.1)
    let job = try made.job()
    func expectMissing(_ tasks: [Int], _ number: Int) {
      #expect(throws: PlanError.missingTasks(tasks)) {
        try job.run(task: number, of: made.plan, on: MergeCase.machine)
      }
    }
    let (combine, fits) = (tasks(job, .combine)[0], tasks(job, .fit))
    let grams = tasks(job, .gram)
    #expect(grams.count == 5 * fits.count)
    expectMissing(tasks(job, .statistics), combine)
    expectMissing([combine] + grams.prefix(5), fits[0])
    expectMissing([combine] + fits, job.tasks.count - 1)
    try made.run(tasks(job, .statistics) + [combine] + grams.prefix(4))
    expectMissing([grams[4]], fits[0])
    try made.run([grams[4], fits[0]])
    expectMissing(Array(fits.dropFirst()), job.tasks.count - 1)
    for number in [-1, job.tasks.count] {
      #expect(throws: PlanError.noTask(found: number, count: job.tasks.count)) {
        try job.run(task: number, of: made.plan, on: MergeCase.machine)
      }
    }
  }

  @Test("bytes of gram tasks are those that they write")
  func listing() throws {
    let made = try MergeCase(FixtureCase("minilm/ms"), hasBase: false)
    let job = try made.job()
    let gram = tasks(job, .gram)[0]
    try made.run([gram])
    let size = try FileSystem.contents(made.path(of: "gram-0-0.safetensors")).count
    #expect(job.tasks[gram].bytesWritten == size)
    #expect(job.tasks.allSatisfy { $0.bytesRead > 0 && $0.bytesWritten > 0 })
  }

  // MARK: What is damaged

  @Test(
    "a damaged result is removed and its task named, never used",
    arguments: [PlannedTask.Stage.statistics, .combine, .gram, .fit])
  func damaged(_ kind: PlannedTask.Stage) throws {
    let made = try MergeCase(FixtureCase("minilm/is"), penalty: 0.1)
    let job = try made.job()
    let order = job.tasks.stages
    let before = job.tasks.indices.filter {
      (order.firstIndex(of: job.tasks[$0].stage) ?? 0) <= (order.firstIndex(of: kind) ?? 0)
    }
    try made.run(before)
    let number = tasks(job, kind)[0]
    let next = try #require(tasks(job, order[(order.firstIndex(of: kind) ?? 0) + 1]).last)
    // A gram task needs nothing of the stage before.
    let user = kind == .combine ? tasks(job, .fit)[0] : kind == .gram ? tasks(job, .fit)[0] : next
    if kind == .combine { try made.run(tasks(job, .gram).prefix(5)) }
    let names: [PlannedTask.Stage: String] = [
      .statistics: "statistics-0.safetensors", .combine: "statistics.safetensors",
      .gram: "gram-0-0.safetensors", .fit: "fit-0.safetensors",
    ]
    let path = made.path(of: try #require(names[kind]))
    let bytes = try FileSystem.contents(path)
    for place in [bytes.count / 2, bytes.count - 1, bytes.count - 40] {
      try FileSystem.overwrite(path, at: place, with: [bytes[place] ^ 1])
      #expect(throws: MergeJobError.damaged(path: path, task: number)) {
        try job.run(task: user, of: made.plan, on: MergeCase.machine)
      }
      #expect(try Paths.kind(of: path) == .absent)
      #expect(try !job.finishedTasks(of: made.plan)[number])
      try made.run([number])
      #expect(try FileSystem.contents(path) == bytes)
    }
    // Cut off, or of another job, it counts as not there.
    try FileSystem.truncate(path, to: bytes.count - 1)
    #expect(try !job.finishedTasks(of: made.plan)[number])
    let header = String(decoding: bytes, as: UTF8.self)
    #expect(header.contains(job.fingerprint))
    var foreign = bytes
    foreign[60] ^= 1
    try FileSystem.write(foreign, to: path)
    #expect(try !job.finishedTasks(of: made.plan)[number])
    try made.run([number])
    for number in job.tasks.indices {
      _ = try job.run(task: number, of: made.plan, on: MergeCase.machine)
    }
    #expect(try made.files("out") == made.merged().files)
  }
}
