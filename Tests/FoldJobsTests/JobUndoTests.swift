import ByteIO
import FoldJobs
import Folding
import Safetensors
import Tensors
import TestSupport
import Testing

/// Undo files of whole folds, and folds in place.
@Suite struct JobUndoTests {
  private func weights(_ made: JobCase, _ folder: String) throws -> JobCase.Files {
    try made.files(folder).filter {
      $0.key.hasSuffix(".safetensors") || $0.key.hasSuffix(".index.json")
    }
  }

  @Test("a fold of shards is taken back to the byte", arguments: [nil, 3000, 1_000_000])
  func shards(_ maximum: Int?) throws {
    let made = try JobCase()
    try made.adapter()
    let undo = made.folder.file("undo")
    var request = made.request()
    request.maximumShardBytes = maximum
    try made.run(request, undo: undo)
    try made.expect(request.output, adds: made.deltas())
    let job = try UnfoldJob(undo: undo, folded: request.output)
    #expect(Set(job.changed) == Set(try made.deltas().keys))
    try job.check(output: made.folder.file("back"), replacing: false)
    try job.run(to: made.folder.file("back"), replacing: false, on: JobCase.machine)
    #expect(try weights(made, "back") == weights(made, "base"))
    #expect(try made.files("back")["config.json"] == made.files("base")["config.json"])
  }

  @Test("one file with and without provenance")
  func oneFile() throws {
    let made = try JobCase(shards: 1)
    try made.adapter()
    let base = made.folder.file("base/model-00001-of-00001.safetensors")
    for recorded in [true, false] {
      var request = made.request("out-\(recorded).safetensors")
      request.base = base
      request.recordsProvenance = recorded
      let undo = made.folder.file("undo-\(recorded)")
      try made.run(request, undo: undo)
      let back = made.folder.file("back-\(recorded).safetensors")
      try UnfoldJob(undo: undo, folded: request.output)
        .run(to: back, replacing: false, on: JobCase.machine)
      #expect(try FileSystem.contents(back) == FileSystem.contents(base))
    }
  }

  @Test("weights that are not those of the fold are refused")
  func otherWeights() throws {
    let made = try JobCase()
    try made.adapter()
    let undo = made.folder.file("undo")
    let request = made.request()
    try made.run(request, undo: undo)
    let path = Paths.join(request.output, "model-00002-of-00003.safetensors")
    let bytes = try FileSystem.contents(path)
    try FileSystem.overwrite(path, at: bytes.count - 1, with: [bytes[bytes.count - 1] ^ 1])
    let job = try UnfoldJob(undo: undo, folded: request.output)
    #expect(throws: UndoError.self) {
      try job.run(to: made.folder.file("back"), replacing: false, on: JobCase.machine)
    }
    #expect(!made.folder.entries.contains("back"))
  }

  @Test("a change of dtype can't be taken back, and says so before any work")
  func dtype() throws {
    let made = try JobCase()
    try made.adapter()
    var request = made.request()
    request.dtype = .f32
    let job = try FoldJob(request, on: JobCase.machine)
    let undo = made.folder.file("undo")
    #expect(throws: FoldJobError.noUndo("the dtype changes")) { try job.checkUndo(undo) }
    #expect(throws: FoldJobError.noUndo("the dtype changes")) {
      try job.run(undo: undo, on: JobCase.machine)
    }
    #expect(!made.folder.entries.contains("out") && !made.folder.entries.contains("undo"))
  }
}
