import LoRATestSupport
import ByteIO
import Tensors
import TestSupport
import Testing

/// `validate`, `diff` and how inputs are recognised, end to end.
@Suite struct ValidateAndDiffTests {
  @Test("the exit status of validate: 0, 1 for a broken rule, 3 for a path that is not there")
  func validate() throws {
    let folder = try basic()
    let valid = try succeed(["validate", "adapter", "base.safetensors"], in: folder)
    #expect(valid.error.isEmpty)
    try folder.write(text: #"{"a": {"input": [-1]}}"#, to: "bad.json")
    let broken = try Tool.run(["validate", "adapter", "bad.json"], in: folder.path)
    #expect(broken.status == 1)
    #expect(broken.error.isEmpty)
    #expect(broken.output.contains("bad.json: norm windows in JSON"))
    let absent = try Tool.run(["validate", "nowhere"], in: folder.path)
    #expect(absent.status == 3)
    #expect(absent.error == "error: nowhere: can't open: No such file or directory\n")
  }

  @Test("validate says what it can of some files where others are not there")
  func someAbsent() throws {
    let folder = try basic()
    let outcome = try Tool.run(["validate", "gone", "adapter", "away"], in: folder.path)
    #expect(outcome.status == 3)
    #expect(outcome.output.hasPrefix("adapter: published ResLoRA checkpoint: valid"))
    #expect(
      outcome.error
        == ["gone", "away"].map {
          "error: \($0): can't open: No such file or directory\n"
        }.joined())
  }

  @Test("a topology file is not taken for norm windows")
  func topologyFile() throws {
    let folder = TemporaryFolder()
    try folder.write(text: #"{"previous": {"a": null}}"#, to: "t.json")
    for command in ["inspect", "validate"] {
      let outcome = try Tool.run([command, "t.json"], in: folder.path)
      #expect(outcome.status == (command == "inspect" ? 3 : 1))
      #expect(
        (outcome.error + outcome.output).contains("pass it beside an adapter with --topology-file"))
    }
  }

  @Test("a file of no known format is called that")
  func unknownFormat() throws {
    let folder = TemporaryFolder()
    for (name, text) in [("a.txt", "# A page of text, long enough to be a header"), ("b.h5", "")] {
      try folder.write(text: text, to: name)
      let outcome = try Tool.run(["inspect", name], in: folder.path)
      #expect(outcome.status == 3)
      #expect(
        outcome.error.hasPrefix("error: \(name): of no format known here"), "\(outcome.error)")
    }
  }

  @Test("diff compares what the files of two adapters say, whatever their formats")
  func descriptions() throws {
    let folder = try basic()
    try succeed(["convert", "adapter", "a.reslora", "--pre-num", "3"], in: folder)
    try succeed(["convert", "a.reslora", "b.h5"], in: folder)
    #expect(
      try succeed(["diff", "a.reslora", "b.h5", "--json"], in: folder).json()["equal"]
        == .bool(true))
    try folder.write(text: #"{"model.layers.1.self_attn.q_proj": {"input": [2]}}"#, to: "w.json")
    try succeed(
      ["convert", "a.reslora", "c.h5", "--root", "none", "--windows", "w.json"], in: folder)
    let outcome = try Tool.run(["diff", "a.reslora", "c.h5", "--json"], in: folder.path)
    #expect(outcome.status == 1)
    #expect(try outcome.json()["equal"] == .bool(false))
    #expect(
      try outcome.json()["descriptions"]?.array?.map(\.string) == [
        #"root ("self", "none")"#,
        #"block 'model.layers.1.self_attn.q_proj': windows (not stated, {"input":[2]})"#,
      ])
    let text = try Tool.run(["diff", "a.reslora", "c.h5"], in: folder.path).output
    #expect(text.contains("differs: root (\"self\", \"none\")\n"))
    #expect(text.contains("0 not; not equal\n"))
  }
}
