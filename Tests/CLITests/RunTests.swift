import ByteIO
import Foundation
import Adapters
import Safetensors
import Tensors
import TestSupport
import LoRATestSupport
import Testing

/// Whole runs: what a user types, and what is there afterwards.
@Suite struct RunTests {
  @Test("a merged folder folds to the same weights as a fold that merges on the way")
  func mergeThenFold() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/ms-pre2"))
    func run(_ arguments: String...) throws {
      let outcome = try Tool.run(arguments, in: folder.path)
      #expect(outcome.status == 0, "\(outcome.error)")
    }
    try run("merge", "adapter", "--method", "bw", "--base", "base.safetensors", "-o", "merged")
    try run(
      "merge", "adapter", "--method", "bw", "--base", "base.safetensors", "-o", "one.safetensors")
    try run("fold", "merged", "--into", "base.safetensors", "-o", "a.safetensors")
    try run("fold", "one.safetensors", "--into", "base.safetensors", "-o", "b.safetensors")
    try run(
      "fold", "adapter", "--method", "bw", "--into", "base.safetensors", "-o", "c.safetensors")
    try run("diff", "a.safetensors", "b.safetensors")
    // The merged factors were rounded to float32 once more.
    try run("diff", "a.safetensors", "c.safetensors", "--rtol", "0.008", "--atol", "1e-6")
  }

  @Test("existing output is kept without --force and replaced with it")
  func force() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    let merge = ["merge", "adapter", "--method", "none", "-o", "merged"]
    #expect(try Tool.run(merge, in: folder.path).status == 0)
    #expect(try Tool.run(merge, in: folder.path).status == 2)
    #expect(try Tool.run(merge + ["--force"], in: folder.path).status == 0)
    let fold = ["fold", "adapter", "--into", "base.safetensors"]
    #expect(try Tool.run(fold, in: folder.path).status == 0)
    #expect(try Tool.run(fold, in: folder.path).status == 2)
    #expect(try Tool.run(fold + ["--force"], in: folder.path).status == 0)
    #expect(!folder.entries.contains { $0.hasSuffix(".partial") })
  }

  @Test("-1 can be typed, and a folder's name is kept whole")
  func preNumAndDefaultName() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/bs-all"))
    try FileManager.default.moveItem(
      atPath: folder.file("adapter"), toPath: folder.file("adapter-v1.5"))
    let inspected = try Tool.run(
      ["inspect", "adapter-v1.5", "--pre-num", "-1", "--json"], in: folder.path)
    #expect(try inspected.json().integer("pre_num") == -1)
    #expect(try Tool.run(["merge", "adapter-v1.5"], in: folder.path).status == 0)
    #expect(folder.entries.contains("adapter-v1.5-exact"))
  }

  @Test("the mode of a new file follows the umask")
  func mode() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    let outcome = try Tool.shell(
      "umask 027; $TOOL fold adapter --into base.safetensors -o out.safetensors", in: folder.path)
    #expect(outcome.status == 0)
    let attributes = try FileManager.default.attributesOfItem(
      atPath: folder.file("out.safetensors"))
    #expect(attributes[.posixPermissions] as? Int == 0o640)
  }

  @Test("no colour and no progress where there is no terminal")
  func plainOutput() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    let outcome = try Tool.run(["inspect", "adapter", "base.safetensors"], in: folder.path)
    #expect(outcome.status == 0)
    #expect(!outcome.output.contains("\u{1b}"))
    #expect(outcome.error.isEmpty)
  }

  @Test("--topology, --root and --pre-num change what is computed")
  func overrides() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    let names = (0..<5).flatMap { layer in
      ["q", "v"].map { "\"model.layers.\(layer).self_attn.\($0)_proj\": null" }
    }
    try folder.write(
      "{\"previous\": {\(names.joined(separator: ", "))}, \"root\": \"none\"}".utf8,
      to: "topology.json")
    let outcome = try Tool.run(
      [
        "merge", "adapter", "--method", "bw", "--base", "base.safetensors", "--topology",
        "topology.json", "--dry-run", "--json",
      ], in: folder.path)
    let blocks = try #require(try outcome.json()["blocks"]?.array)
    #expect(blocks.allSatisfy { $0.object?.doubles("alpha") == [0] })
    let rooted = try Tool.run(
      ["inspect", "adapter", "--root", "none", "--json"], in: folder.path)
    #expect(try rooted.json()["root"]?.string == "none")
  }

  @Test(
    "a fold that is interrupted exits 130 or 143 and leaves nothing", arguments: [SIGINT, SIGTERM])
  func interruption(_ signal: Int32) throws {
    let folder = TemporaryFolder()
    try largeCase(in: folder)
    let running = try Tool.start(
      ["fold", "lora", "--into", "base.safetensors", "-o", "out.safetensors"], in: folder.path)
    while running.process.isRunning, !folder.entries.contains(where: { $0.hasSuffix(".partial") }) {
      usleep(2000)
    }
    kill(running.process.processIdentifier, signal)
    let outcome = try running.wait()
    #expect(outcome.status == 128 + signal)
    #expect(!outcome.isSignal)
    #expect(outcome.error == "interrupted; nothing was left behind\n")
    #expect(folder.entries == ["base.safetensors", "lora"])
  }

  @Test("a fold that was killed is cleaned up after by the next one")
  func killed() throws {
    let folder = TemporaryFolder()
    try largeCase(in: folder)
    let arguments = ["fold", "lora", "--into", "base.safetensors", "-o", "out.safetensors"]
    let running = try Tool.start(arguments, in: folder.path)
    while running.process.isRunning, !folder.entries.contains(where: { $0.hasSuffix(".partial") }) {
      usleep(2000)
    }
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.wait()
    #expect(folder.entries.filter { $0.hasSuffix(".partial") }.count == 1)
    #expect(try Tool.run(arguments, in: folder.path).status == 0)
    #expect(folder.entries == ["base.safetensors", "lora", "out.safetensors"])
  }

  /// A base of 200 MB, mostly a hole on the disk, and a LoRA of rank 16 for it.
  private func largeCase(in folder: TemporaryFolder) throws {
    let info = try TensorInfo(name: "w.weight", dtype: .f32, shape: [10_000, 5000])
    let layout = SafetensorsLayout(tensors: [info], metadata: [])
    try folder.write(layout.headerBytes, to: "base.safetensors")
    truncate(folder.file("base.safetensors"), off_t(layout.fileSize))
    try MemoryLoRA([("w", 10_000, 5000, 16)])
      .write(
        to: folder.file("lora"), as: .peft, dtype: nil, options: WriteOptions(replacing: false))
  }
}
