import ByteIO
import Foundation
import TestSupport
import Testing

/// What a fold finds of an earlier one that was cut short.
@Suite struct RerunTests {
  private static let fold = ["fold", "adapter", "--into", "base.safetensors"]

  @Test(
    "In place §1.1: every command refuses a base beside a journal",
    arguments: [
      ["inspect", "base.safetensors"], ["validate", "base.safetensors"],
      ["diff", "deltas.safetensors", "base.safetensors"],
      ["convert", "base.safetensors", "x.safetensors"],
      ["convert", "adapter", "x.reslora", "--base", "base.safetensors"],
      ["merge", "adapter", "--base", "base.safetensors"],
      fold, fold + ["--in-place"],
      ["fold", "--undo-from", "u.undo", "--into", "base.safetensors", "-o", "x.safetensors"],
    ])
  func halfFolded(_ arguments: [String]) throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    try folder.write("no journal".utf8, to: "base.safetensors.fold-journal")
    try expectRefusal(arguments, in: folder)
  }

  @Test("In place §1.1: a file of a folder beside a journal is not folded into in place")
  func fileOfHalfFoldedFolder() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    try folder.write("no journal".utf8, to: "../\(Paths.name(of: folder.path)).fold-journal")
    defer { try? FileManager.default.removeItem(atPath: "\(folder.path).fold-journal") }
    try expectRefusal(
      RerunTests.fold + ["--method", "none", "--in-place"], in: folder)
  }

  private func expectRefusal(_ arguments: [String], in folder: TemporaryFolder) throws {
    let before = folder.entries
    let outcome = try Tool.run(arguments, in: folder.path)
    #expect(outcome.status == 3)
    #expect(outcome.error.contains("damaged journal of a fold in place"), "\(outcome.error)")
    #expect(folder.entries == before)
  }

  @Test("an undo file that is there must come out the same")
  func undoFile() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    func run(_ method: String) throws -> Int32 {
      try? FileManager.default.removeItem(atPath: folder.file("out.safetensors"))
      let options = ["--method", method, "-o", "out.safetensors", "--undo", "u.undo"]
      return try Tool.run(RerunTests.fold + options, in: folder.path).status
    }
    #expect(try run("none") == 0)
    let undo = try FileSystem.contents(folder.file("u.undo"))
    #expect(try run("none") == 0)
    #expect(try run("bw") == 2)
    #expect(!folder.entries.contains("out.safetensors"))
    #expect(try FileSystem.contents(folder.file("u.undo")) == undo)
    try folder.write("another file".utf8, to: "u.undo")
    #expect(try run("none") == 2)
  }

  @Test("asking for the end of a plan too early costs nothing")
  func earlyFinish() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    func run(_ arguments: String...) throws -> Int32 {
      try Tool.run(arguments, in: folder.path).status
    }
    #expect(
      try run(
        "fold", "adapter", "--method", "bw", "--into", "base.safetensors", "-o", "out.safetensors",
        "--plan-out", "p") == 0)
    #expect(try run("plan", "run", "p", "--task", "0") == 0)
    #expect(try run("plan", "run", "p", "--stage", "combine") == 0)
    #expect(try run("plan", "run", "p", "--stage", "finish") == 1)
    #expect(try run("plan", "run", "p", "--task", "2") == 0)
    #expect(try run("plan", "run", "p", "--stage", "finish") == 0)
    #expect(try run("plan", "run", "p", "--stage", "finish") == 0)
    #expect(try run("plan", "status", "p") == 0)
    #expect(folder.entries.contains("out.safetensors"))
  }
}
