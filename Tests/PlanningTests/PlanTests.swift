import ByteIO
import Planning
import TestSupport
import Testing

/// Plans, what their tasks note, and how far they are (Plans §2, §3, §6).
@Suite struct PlanTests {
  private let folder = TemporaryFolder()
  private var path: String { folder.file("p") }
  private var output: String { folder.file("out") }

  @Test("what is written is read back")
  func reading() throws {
    let job = CountingJob(output: output)
    try Plan.write(job, to: path)
    let plan = try Plan(path: path)
    #expect(plan.kind == "counting")
    #expect(plan.request == job.requestJSON)
    #expect(plan.output == output)
    #expect(plan.tasks == job.tasks)
    #expect(plan.tasks.stages == [.fold, .finish])
    #expect(plan.tasks.numbers(of: .fold) == 0..<3)
    #expect(plan.tasks.numbers(of: .gram).isEmpty)
    #expect(throws: PlanError.exists(path: path)) { try Plan.write(job, to: path) }
    #expect(throws: PlanError.noPlan(path: folder.file("q"))) { try Plan(path: folder.file("q")) }
  }

  @Test("a job that is another now is refused, with what changed")
  func changed() throws {
    let plan = try Plan.write(CountingJob(output: output), to: path)
    #expect(throws: PlanError.changedSince(plan: path, what: "the letter")) {
      try TaskRun(plan, CountingJob(output: output, label: "b", inputs: "y"))
    }
    #expect(
      throws: PlanError.changedSince(plan: path, what: "the tool, or what it was asked,")
    ) { try PlanStatus(plan, CountingJob(output: output, label: "b"), queued: nil) }
  }

  @Test("tasks note how they fare, and the status tells of it")
  func status() throws {
    let job = CountingJob(output: output, failing: [1])
    let plan = try Plan.write(job, to: path)
    let run = try TaskRun(plan, job)
    #expect(
      try PlanStatus(plan, job, queued: nil).states == [.waiting, .waiting, .waiting, .waiting])
    #expect(try run(0, on: ()))
    #expect(try !run(0, on: ()))
    #expect(throws: CountingJob.Failure.self) { try run(1, on: ()) }
    let status = try PlanStatus(plan, job, queued: nil)
    #expect(status.states == [.done, .failed, .waiting, .waiting])
    #expect(status.records[0]?.attempt == 2)
    #expect(status.records[1]?.error == "the disk is full")
    #expect(status.records[2] == nil)
    #expect(status.bytesDone == 100)
    #expect(status.bytesTotal == 400)
    #expect(status.missing == [1])
    #expect(status.isStuck && !status.isFinished)
    // A cluster that has the third, and has not had the last.
    let queued = try PlanStatus(plan, job, queued: [2])
    #expect(queued.missing == [1, 3])
    #expect(!queued.isStuck)
    #expect(try PlanStatus(plan, job, queued: []).isStuck)
    #expect(throws: PlanError.noTask(found: 4, count: 4)) { try run(4, on: ()) }
  }

  @Test("the end has come when the output is there, and is what the plan made")
  func finished() throws {
    let job = CountingJob(output: output)
    let plan = try Plan.write(job, to: path)
    #expect(try TaskRun(plan, job)(3, on: ()))
    // Results may be gone, and so may notes: the output has its name.
    let other = CountingJob(output: output)
    try FileSystem.remove(folder.file("p/tasks/3.json"))
    #expect(try PlanStatus(plan, other, queued: []).isFinished)
    #expect(try PlanStatus(plan, other, queued: []).bytesDone == 400)
    #expect(try !TaskRun(plan, other)(3, on: ()))
    // Removed since: there is everything to do again.
    try FileSystem.remove(output)
    #expect(
      try PlanStatus(plan, other, queued: nil).states == [.waiting, .waiting, .waiting, .waiting])
    // Another one in its place.
    try FileSystem.write([2], to: folder.file("other"))
    try FileSystem.write([1], to: output)
    #expect(throws: PlanError.foreignOutput(path: output)) {
      try PlanStatus(plan, other, queued: nil)
    }
    #expect(throws: PlanError.foreignOutput(path: output)) { try TaskRun(plan, other)(3, on: ()) }
  }

  @Test("a plan whose tasks are not those of its job, and numbers beyond all bounds, are refused")
  func damaged() throws {
    let job = CountingJob(output: output)
    try Plan.write(job, to: path)
    let text = String(decoding: try FileSystem.contents(folder.file("p/plan.json")), as: UTF8.self)
    for (from, to) in [
      ("\"bytes_read\": 100", "\"bytes_read\": 101"), ("\"part\": 0", "\"part\": 1"),
      ("\"bytes_read\": 100", "\"bytes_read\": 9223372036854775807"),
      ("\"bytes_read\": 100", "\"bytes_read\": -1"),
      ("\"output\": \"", "\"output\": \"/x"),
    ] {
      try #require(text.contains(from))
      try folder.write(Array(text.replacing(from, with: to).utf8), to: "p/plan.json")
      #expect(throws: PlanError.self, "\(to)") {
        try PlanStatus(Plan(path: path), job, queued: nil)
      }
    }
    let none = text.replacing(#/"tasks": \[[^\]]*\]/#, with: "\"tasks\": []")
    try folder.write(Array(none.utf8), to: "p/plan.json")
    #expect(throws: PlanError.self) { try PlanStatus(Plan(path: path), job, queued: nil) }
  }

  @Test("a task that runs, one without a word for long, and one that the cluster lost")
  func running() throws {
    let job = CountingJob(output: output)
    let plan = try Plan.write(job, to: path)
    let run = try TaskRun(plan, job)
    func state(_ queued: Set<Int>?) throws -> PlanStatus.State {
      try PlanStatus(plan, job, queued: queued).states[0]
    }
    let states = try run.noting(0) { note in
      note(1, 4)
      let states = [try state(nil), try state([0]), try state([1])]
      // As one of a cluster notes it.
      let path = folder.file("p/tasks/0.json")
      let text = String(decoding: try FileSystem.contents(path), as: UTF8.self)
      try FileSystem.write(
        Array(text.replacing("\"attempt\"", with: "\"job\":\"7_0\",\"attempt\"").utf8), to: path)
      return try states + [state([0]), state([1])]
    }
    #expect(states == [.running, .running, .running, .running, .lost])
    let note = folder.file("p/tasks/0.json")
    let text = String(decoding: try FileSystem.contents(note), as: UTF8.self)
    let now = WallClock.seconds
    for (age, state) in [(30, PlanStatus.State.running), (90, .lost)] {
      let updated = text.replacing(/"updated":\d+/, with: "\"updated\":\(now - age)")
        .replacing("\"done\"", with: "\"running\"")
      try FileSystem.write(Array(updated.utf8), to: note)
      #expect(try PlanStatus(plan, job, queued: nil).states[0] == state)
    }
    // Numbers that no clock gives.
    for number in ["9223372036854775807", "-9223372036854775808"] {
      try FileSystem.write(
        Array(text.replacing(/"updated":\d+/, with: "\"updated\":\(number)").utf8), to: note)
      #expect(try PlanStatus(plan, job, queued: nil).states[0] == .waiting)
    }
    // What can't be read says nothing.
    try FileSystem.write(Array("{".utf8), to: note)
    #expect(try PlanStatus(plan, job, queued: nil).states[0] == .waiting)
  }

  @Test("notes of a long task come by themselves")
  func ticking() throws {
    let job = CountingJob(output: output)
    let plan = try Plan.write(job, to: path)
    let start = WallClock.seconds
    try TaskRun(plan, job).noting(0) { note in
      note(1, 2)
      var status = try PlanStatus(plan, job, queued: nil)
      while status.records[0]?.bytesDone == 0, WallClock.seconds - start < 60 {
        Pause.milliseconds(100)
        status = try PlanStatus(plan, job, queued: nil)
      }
      #expect(status.records[0]?.bytesDone == 50)
      #expect(status.bytesDone == 50)
    }
  }

  @Test("numbers and ages in words")
  func words() {
    #expect(PlanError.name(of: [3]) == "task 3")
    #expect(PlanError.name(of: [0, 3, 4, 5, 7, 8]) == "tasks 0, 3 to 5, 7, 8")
    #expect(PlanError.name(of: Array(stride(from: 0, to: 40, by: 2))).hasSuffix("18, …"))
    #expect(
      [0, 119, 120, 7200, 200_000].map(PlanError.age) == ["0 s", "119 s", "2 min", "2 h", "2 days"])
  }
}
