import ByteIO
import FoldJobs
import Folding
import LoRATestSupport
import Planning
import Safetensors
import Tensors
import TestSupport
import Testing

/// Folds that were killed and are run again (Folding §6.4).
@Suite struct ResumeTests {
  /// A job of which some shards are finished, and its work folder.
  private func killed(
    _ made: JobCase, _ request: FoldRequest, after shards: [Int]
  ) throws -> String {
    let job = try FoldJob(request, on: JobCase.machine)
    for shard in shards {
      #expect(try job.run(task: shard, of: made.plan, on: JobCase.machine))
    }
    let names = made.folder.entries.filter { $0.hasSuffix(".partial") }
    try #require(names.count == 1)
    // It was a run on one machine, not one of a plan.
    try FileSystem.remove(made.folder.file(names[0] + "/.owner.json"))
    return made.folder.file(names[0])
  }

  private func expected(_ made: JobCase) throws -> JobCase.Files {
    try made.run(made.request("expected"))
    return try made.files("expected")
  }

  @Test(
    "finished shards are kept, and the output is that of one run",
    arguments: [[0], [2], [0, 1, 2]])
  func kept(_ shards: [Int]) throws {
    let made = try JobCase()
    try made.adapter()
    let partial = try killed(made, made.request(), after: shards)
    #expect(try Paths.kind(of: made.folder.file("out")) == .absent)
    // Its time shows that a finished shard is not written again.
    let name = "model-0000\(shards[0] + 1)-of-00003.safetensors"
    let time = try ReadableFile(path: Paths.join(partial, name)).changeTime
    let result = try made.run(made.request())
    #expect(result.resumedShards == shards.count)
    #expect(result.report.blocks.map(\.position) == Array(0..<12))
    #expect(try ReadableFile(path: Paths.join(made.folder.file("out"), name)).changeTime == time)
    #expect(try made.files("out") == expected(made))
    #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
  }

  @Test("figures of kept shards are those of the first run")
  func figures() throws {
    let made = try JobCase()
    try made.adapter()
    let whole = try made.run(made.request("expected")).report
    _ = try killed(made, made.request(), after: [1])
    let resumed = try made.run(made.request()).report
    for (one, other) in zip(whole.blocks, resumed.blocks) {
      #expect(one.weight == other.weight && one.block == other.block)
      #expect(one.deltaNorm == other.deltaNorm && one.realisedError == other.realisedError)
      #expect(one.unchangedShare == other.unchangedShare)
    }
    #expect(whole.tensorsChanged == resumed.tensorsChanged)
    #expect(whole.tensorsCopied == resumed.tensorsCopied)
    #expect(whole.bytesWritten == resumed.bytesWritten)
  }

  @Test("a shard that is cut short, or has lost its record, is done again", arguments: [0, 1, 2])
  func damaged(_ damage: Int) throws {
    let made = try JobCase()
    try made.adapter()
    let partial = try killed(made, made.request(), after: [0, 1])
    let shard = Paths.join(partial, "model-00001-of-00003.safetensors")
    let records = try Paths.entries(of: partial).filter { $0.hasSuffix(".json") }.sorted()
    #expect(records.count == 2)
    switch damage {
    case 0: try FileSystem.truncate(shard, to: FileSystem.contents(shard).count - 1)
    case 1: try FileSystem.truncate(Paths.join(partial, records[0]), to: 10)
    default: try FileSystem.overwrite(shard, at: 20, with: [0])
    }
    #expect(try made.run(made.request()).resumedShards == 1)
    #expect(try made.files("out") == expected(made))
  }

  @Test("what another job left is removed, be it of other numbers, adapters or a changed base")
  func otherJob() throws {
    let made = try JobCase()
    try made.adapter()
    try made.adapter("other", seed: 4)
    var scaled = made.request()
    scaled.scale = 0.5
    let partial = try killed(made, scaled, after: [0, 1])
    try FileSystem.write([1], to: Paths.join(partial, "stranger"))
    #expect(try made.run(made.request()).resumedShards == 0)
    let wanted = try expected(made)
    #expect(try made.files("out") == wanted)

    var again = made.request("again", adapter: "other")
    _ = try killed(made, again, after: [0])
    again.adapters = made.request().adapters
    #expect(try made.run(again).resumedShards == 0)
    #expect(try made.files("again") == wanted)

    let third = made.request("third")
    _ = try killed(made, third, after: [0])
    let name = "model-00002-of-00003.safetensors"
    let bytes = try FileSystem.contents(Paths.join(made.base, name))
    try FileSystem.write(bytes, to: Paths.join(made.base, name))
    #expect(try made.run(third).resumedShards == 0)
    #expect(try made.files("third") == wanted)
  }

  @Test("with an undo file, which needs all of them, all shards are done")
  func undo() throws {
    let made = try JobCase()
    try made.adapter()
    _ = try killed(made, made.request(), after: [0])
    #expect(try made.run(made.request(), undo: made.folder.file("undo")).resumedShards == 0)
    #expect(try made.files("out") == expected(made))
  }

  @Test("a fold that stops by itself leaves nothing")
  func stopped() throws {
    struct Stop: Error {}
    let made = try JobCase()
    try made.adapter()
    let before = made.folder.entries
    for share in [0.0, 0.5, 1.0] {
      let job = try FoldJob(made.request(), on: JobCase.machine)
      #expect(throws: Stop.self) {
        try job.run(on: JobCase.machine) {
          if Double($0.bytesDone) >= share * Double($0.bytesTotal) { throw Stop() }
        }
      }
      #expect(made.folder.entries == before)
    }
  }

  @Test("two runs into one folder: the second is refused")
  func locked() throws {
    let made = try JobCase()
    try made.adapter()
    let partial = try killed(made, made.request(), after: [0])
    try FileSystem.whileLocked(partial) {
      let held = PlanError.held(
        output: made.folder.file("out"), by: "another run", advice: "wait until it is done")
      #expect(throws: held) { try made.run(made.request()) }
      let job = try FoldJob(made.request(), on: JobCase.machine)
      #expect(throws: held) { try job.run(task: 1, of: made.plan, on: JobCase.machine) }
      #expect(throws: held) { try job.finish(of: made.plan) }
    }
    #expect(try made.run(made.request()).resumedShards == 1)
  }

  @Test("an output that exists is refused, replaced only where that is asked, foreign files never")
  func existing() throws {
    let made = try JobCase()
    try made.adapter()
    try made.run(made.request())
    let first = try made.files("out")
    #expect(throws: FileError.exists(path: made.folder.file("out"))) {
      try made.run(made.request())
    }
    var request = made.request()
    request.replacing = true
    request.scale = 2
    try made.run(request)
    #expect(try made.files("out") != first)
    try made.folder.write(text: "x", to: "out/thesis.tex")
    let before = try made.files("out")
    #expect(throws: FileError.self) { try made.run(request) }
    #expect(try made.files("out") == before)
  }
}
