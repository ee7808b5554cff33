import Activations
import Adapters
import ByteIO
import Contents
import Foundation
import HDF5
import LoRATestSupport
import ResLoRAContainer
import Safetensors
import Tensors
import TestSupport
import Testing

/// `convert`, `validate`, and `merge` into every format, end to end.
@Suite struct ConvertTests {
  private func basic() throws -> TemporaryFolder {
    try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
  }

  @discardableResult
  private func succeed(
    _ arguments: [String], in folder: TemporaryFolder,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Tool.Outcome {
    let outcome = try Tool.run(arguments, in: folder.path)
    #expect(outcome.status == 0, "\(outcome.error)", sourceLocation: sourceLocation)
    return outcome
  }

  // MARK: Formats

  @Test(
    "the output's extension, or --to, tells the format; the content tells the input's",
    arguments: [
      (["o.reslora"], "ResLoRA container"), (["o.h5"], "ResLoRA HDF5"),
      (["o.HDF5"], "ResLoRA HDF5"), (["o.safetensors"], "ResLoRA safetensors"),
      (["o.h5", "--to", "reslora"], "ResLoRA container"),
      (["o.bin", "--layout", "hdf5"], "ResLoRA HDF5"),
      (["o", "--to", "safetensors"], "ResLoRA safetensors"),
    ])
  func formats(_ target: [String], _ format: String) throws {
    let folder = try basic()
    try succeed(["convert", "adapter"] + target, in: folder)
    let path = folder.file(target[0])
    #expect(try Adapter(path: path).format == format)
    // And on, from a file of any name.
    try succeed(["convert", target[0], "again", "--to", "safetensors"], in: folder)
    let (first, again) = (try Adapter(path: path), try Adapter(path: folder.file("again")))
    #expect(again.links == first.links)
    for (one, other) in zip(first.blocks, again.blocks) {
      #expect(try one.a.load() == other.a.load())
      #expect(try one.b.load() == other.b.load())
      #expect(one.scaling == other.scaling)
    }
  }

  @Test("--compression", arguments: ["none", "zlib", "zstd", "auto"])
  func compression(_ compression: String) throws {
    let folder = try basic()
    // Small factors are best left alone; zeros compress with anything.
    try folder.write(
      tensors: [
        TestTensor("a.lora_A", [2, 4000], values: [Double](repeating: 0, count: 8000)),
        TestTensor("a.lora_B", [3, 2]),
      ],
      metadata: [
        (
          "reslora",
          #"{"format": "reslora-adapter", "version": 1, "structure": "plain", "#
            + #""blocks": [{"name": "a", "scaling": 1}]}"#
        )
      ], to: "zeros")
    try succeed(["convert", "zeros", "o.reslora", "--compression", compression], in: folder)
    let details = try succeed(["inspect", "o.reslora", "--json"], in: folder).json()["details"]
    let chunks = try #require(details?.object?["chunks"]?.string)
    #expect(
      chunks.contains(compression == "none" ? "(none)" : compression == "zlib" ? "zlib" : "zstd"),
      "\(chunks)")
    let values = try Adapter(path: folder.file("o.reslora")).blocks[0].a.load().values
    #expect(values.count == 8000 && values.allSatisfy { $0 == 0 })
  }

  @Test("--windows, --base, --root, --pre-num and --topology are kept in the file")
  func options() throws {
    let folder = try basic()
    try folder.write(
      text: try topology(["model.layers.1.self_attn.q_proj": "model.layers.0.self_attn.q_proj"]),
      to: "links.json")
    try succeed(
      [
        "convert", "adapter", "o.h5", "--windows", "norm-windows.json", "--base",
        "base.safetensors", "--root", "none", "--pre-num", "2", "--topology", "links.json",
      ], in: folder)
    let adapter = try Adapter(path: folder.file("o.h5"))
    #expect(adapter.topology.root == .nothing)
    #expect(adapter.topology.reach == PredecessorCount(2))
    #expect(
      adapter.links.filter { !$0.hasSuffix("<-") } == [
        "model.layers.1.self_attn.q_proj<model.layers.0.self_attn.q_proj"
      ])
    #expect(adapter.blocks.allSatisfy { !$0.windows.isEmpty && $0.base?.statistics != nil })
  }

  private func topology(_ links: [String: String]) throws -> String {
    let names = (0..<5).flatMap { layer in
      ["q", "v"].map { "model.layers.\(layer).self_attn.\($0)_proj" }
    }
    return "{\"previous\": {"
      + names.map { "\"\($0)\": \(links[$0].map { "\"\($0)\"" } ?? "null")" }
      .joined(separator: ", ") + "}}"
  }

  @Test("--dtype rounds once; statistics go with a warning, or --base records new ones")
  func dtype() throws {
    let folder = try basic()
    try succeed(["convert", "adapter", "full.h5", "--base", "base.safetensors"], in: folder)
    let dropped = try succeed(
      ["convert", "full.h5", "o.reslora", "--dtype", "bf16", "--json"], in: folder)
    let warning =
      "statistics of the base weights of 10 blocks: left out, they hold for the factors and "
      + "links before; --base records new ones"
    #expect(try dropped.json()["warnings"]?.array?.map(\.string) == [warning])
    #expect(dropped.error == "warning: \(warning)\n")
    let narrow = try Adapter(path: folder.file("o.reslora"))
    #expect(narrow.blocks.allSatisfy { $0.a.dtype == .bf16 && $0.base?.statistics == nil })
    let kept = try succeed(
      [
        "convert", "full.h5", "p.reslora", "--dtype", "bf16", "--base", "base.safetensors",
        "--json",
      ], in: folder)
    #expect(try kept.json()["warnings"]?.array?.isEmpty == true)
    let recorded = try Adapter(path: folder.file("p.reslora"))
    #expect(recorded.blocks.allSatisfy { $0.base?.statistics != nil })
    // bfloat16 of a float32 by its bits: the upper half, rounded to nearest even.
    let full = try Adapter(path: folder.file("full.h5"))
    for (wide, short) in zip(full.blocks, narrow.blocks) {
      let expected = try wide.a.load().values.map { value -> Double in
        let bits = Float(value).bitPattern
        let rounded = (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000
        return Double(Float(bitPattern: rounded))
      }
      #expect(try short.a.load().values == expected)
    }
  }

  @Test("a merge by recorded statistics gives what one by the base gives")
  func recorded() throws {
    let folder = try basic()
    try succeed(["convert", "adapter", "o.reslora", "--base", "base.safetensors"], in: folder)
    let stored = try succeed(["merge", "o.reslora", "-o", "stored", "--json"], in: folder).json()
    let direct = try succeed(
      ["merge", "adapter", "--base", "base.safetensors", "-o", "direct", "--json"], in: folder
    ).json()
    #expect(stored["method"]?.string == "bw" && direct["method"]?.string == "bw")
    let (one, other) = (
      try #require(stored["blocks"]?.array), try #require(direct["blocks"]?.array)
    )
    #expect(one.count == 10 && other.count == 10)
    for (left, right) in zip(one, other) {
      let (found, expected) = (left.object?.doubles("alpha"), right.object?.doubles("alpha"))
      for (found, expected) in zip(try #require(found), try #require(expected)) {
        #expect(agree(found, expected, to: 1e-12))
      }
    }
  }

  @Test(
    "merge writes every format, and all hold the same",
    arguments: ["reslora", "hdf5", "safetensors"])
  func merge(_ format: String) throws {
    let folder = try basic()
    let arguments = ["merge", "adapter", "--base", "base.safetensors", "--json"]
    try succeed(arguments + ["-o", "peft"], in: folder)
    try succeed(arguments + ["--to", format], in: folder)
    let name = "adapter-bw." + (format == "hdf5" ? "h5" : format)
    #expect(folder.entries.contains(name))
    let (peft, other) = (
      try Adapter(path: folder.file("peft")), try Adapter(path: folder.file(name))
    )
    #expect(other.structure == .plain)
    #expect(Set(other.names) == Set(peft.names))
    for block in other.blocks {
      let twin = try #require(peft.blocks.first { $0.name == block.name })
      #expect(try block.a.load() == twin.a.load())
      #expect(try block.b.load() == twin.b.load())
      #expect(agree(block.scaling, twin.scaling, to: 1e-15))
    }
    let valid = try succeed(["validate", name, "peft", "--json"], in: folder).json()
    #expect(valid["valid"]?.bool == true)
  }

  @Test("chunks of others are kept in a container, and elsewhere left out with a warning")
  func ancillary() throws {
    let folder = TemporaryFolder()
    let type = try #require(ChunkType("noTe"))
    try ContainerWriter().write(
      description: #"{"format": "reslora-adapter", "version": 1, "structure": "plain", "#
        + #""blocks": [{"name": "a", "scaling": 1}]}"#,
      source: MemoryTensorSource([TestTensor("a.lora_A", [1, 2]), TestTensor("a.lora_B", [2, 1])]),
      ancillary: [AncillaryChunk(type: type, bytes: [1, 2, 3])], to: folder.file("a.reslora"),
      replacing: false)
    let kept = try succeed(["convert", "a.reslora", "b.reslora"], in: folder)
    #expect(kept.error.isEmpty)
    let chunks = try ContainerFile(path: folder.file("b.reslora")).ancillaryChunks
    #expect(try chunks.map { try $0.bytes() } == [[1, 2, 3]])
    let lost = try succeed(["convert", "a.reslora", "c.h5"], in: folder)
    #expect(
      lost.error
        == "warning: chunk 'noTe': left out, a ResLoRA HDF5 has no place for it\n")
    // Another dtype or other links make another adapter, which the chunk is not about.
    let narrow = try succeed(["convert", "a.reslora", "d.reslora", "--dtype", "f16"], in: folder)
    #expect(
      narrow.error
        == "warning: chunk 'noTe': left out, it is about the adapter in its own dtype\n")
    let linked = try succeed(["convert", "a.reslora", "e.reslora", "--pre-num", "1"], in: folder)
    #expect(linked.output.contains("note: chunks of others: left out"))
    for name in ["d.reslora", "e.reslora"] {
      #expect(try ContainerFile(path: folder.file(name)).ancillaryChunks.isEmpty)
    }
  }

  @Test("another base than the one recorded is warned of")
  func otherBase() throws {
    let folder = try basic()
    try succeed(["convert", "adapter", "a.reslora", "--base", "base.safetensors"], in: folder)
    let base = try SafetensorsFile(path: folder.file("base.safetensors"))
    let changed = base.tensors.indices.map { index -> Result<(TensorInfo, [UInt8]), any Error> in
      Result {
        var bytes = try base.bytes(of: index)
        if base.tensors[index].name == "model.layers.3.self_attn.q_proj.weight" { bytes[0] ^= 1 }
        return (base.tensors[index], bytes)
      }
    }
    try SafetensorsWriter.write(
      MemoryTensorSource(label: "other", tensors: try changed.map { try $0.get() }), metadata: [],
      to: folder.file("other.safetensors"), replacing: false)
    let warning =
      "warning: 1 base weights are not those whose SHA-256 the adapter carries; is this the right "
      + "base? Blocks: 'model.layers.3.self_attn.q_proj'\n"
    for arguments in [
      ["merge", "a.reslora", "-o", "m", "--base"], ["fold", "a.reslora", "-o", "f", "--into"],
      ["convert", "a.reslora", "c.reslora", "--base"],
    ] {
      let same = try succeed(arguments + ["base.safetensors"], in: folder)
      #expect(same.error.isEmpty)
      let other = try succeed(arguments + ["other.safetensors", "--force"], in: folder)
      #expect(other.error == warning, "\(arguments)")
    }
  }

  @Test("other links take the statistics that do not go with them")
  func otherLinks() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/ms-all"))
    try succeed(["convert", "adapter", "a.reslora", "--base", "base.safetensors"], in: folder)
    let names = try Adapter(path: folder.file("a.reslora")).blocks.map(\.name)
    let roots = names.map { "\"\($0)\": null" }.joined(separator: ",")
    try folder.write(text: "{\"previous\": {\(roots)}}", to: "roots.json")
    let outcome = try succeed(
      ["convert", "a.reslora", "b.reslora", "--topology", "roots.json"], in: folder)
    #expect(outcome.error.contains("left out, they hold for the factors and links before"))
    let blocks = try Adapter(path: folder.file("b.reslora")).blocks
    // Roots have no predecessors, before and after.
    #expect(blocks.contains { $0.base?.statistics != nil })
    #expect(blocks.contains { $0.base != nil && $0.base?.statistics == nil })
    #expect(try succeed(["validate", "b.reslora"], in: folder).error.isEmpty)
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

  @Test("--windows takes JSON, HDF5 and another adapter")
  func windowSources() throws {
    let folder = try basic()
    try succeed(["convert", "norm-windows.json", "w.h5"], in: folder)
    try succeed(
      ["convert", "adapter", "other.reslora", "--windows", "norm-windows.json"], in: folder)
    let outputs = try ["norm-windows.json", "w.h5", "other.reslora"].map { windows in
      try succeed(
        [
          "merge", "adapter", "--method", "bi", "--windows", windows, "--json", "-o", "o",
          "--force",
        ], in: folder
      ).output
    }
    #expect(outputs[0] == outputs[1])
    #expect(outputs[0] == outputs[2])
    #expect(outputs[0].contains("\"method\": \"bi\""))
  }

  // MARK: Activations, windows, checkpoints

  @Test("activations go to HDF5 and back to the byte")
  func activations() throws {
    let folder = TemporaryFolder()
    try folder.write(
      tensors: [TestTensor("x", [4, 3], dtype: .f16), TestTensor("y", [4, 1])],
      metadata: [("inputs", #"{"k":"x","q":"x","v":"y"}"#), ("prompt", "é")], to: "a.safetensors")
    try succeed(["convert", "a.safetensors", "b.h5"], in: folder)
    let there = try succeed(["convert", "b.h5", "c.safetensors", "--json"], in: folder).json()
    #expect(there["kind"]?.string == "activations")
    #expect(there["from"]?.string == "activations in HDF5")
    #expect(there["bytes"]?.number?.integer == 40)
    #expect(
      try ReadableFile.contents(of: folder.file("a.safetensors"), limit: 9999)
        == ReadableFile.contents(of: folder.file("c.safetensors"), limit: 9999))
  }

  @Test("windows go to HDF5 and back, their capacities too")
  func windows() throws {
    let folder = TemporaryFolder()
    try folder.write(text: #"{"a": {"input": [0.1, 2]}}"#, to: "w.json")
    try succeed(["convert", "w.json", "w.h5"], in: folder)
    try succeed(["convert", "w.h5", "v.json"], in: folder)
    #expect(
      try TestFiles.json(folder.file("v.json")).object?.keysAndText == [
        "a", #"{"input":[0.1,2]}"#,
      ])
    let sketch = HDF5Sketch([
      "/@format": .attribute(.string("reslora-windows")), "/@version": .attribute(.integer(1)),
      "/blocks/a/windows@capacity": .attribute(.integer(7)),
      "/blocks/a/windows/input": .doubles([1]),
    ])
    try sketch.write(to: folder.file("c.h5"))
    try succeed(["convert", "c.h5", "c.json"], in: folder)
    #expect(
      try TestFiles.json(folder.file("c.json")).object?.keysAndText == [
        "a", #"{"input":[1],"capacity":7}"#,
      ])
  }

  @Test("a checkpoint's shards become one file")
  func checkpoint() throws {
    let folder = TemporaryFolder()
    let shards = folder.folder("shards")
    try SafetensorsWriter.write(
      MemoryTensorSource([TestTensor("x", [2], dtype: .i32)]), metadata: [("format", "pt")],
      to: "\(shards)/a.safetensors", replacing: false)
    try SafetensorsWriter.write(
      MemoryTensorSource([TestTensor("y", [3])]), metadata: [], to: "\(shards)/b.safetensors",
      replacing: false)
    try OutputFile.write(
      Array(#"{"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}"#.utf8),
      to: "\(shards)/model.safetensors.index.json", replacing: false)
    let json = try succeed(["convert", "shards", "one.safetensors", "--json"], in: folder).json()
    #expect(json["kind"]?.string == "checkpoint")
    #expect(json["from"]?.string == "safetensors checkpoint")
    let file = try SafetensorsFile(path: folder.file("one.safetensors"))
    #expect(Set(file.tensors.map(\.name)) == ["x", "y"])
    #expect(try file.float64(of: #require(file.index(of: "y"))) == [1, 2, 3])
    #expect(file.header.metadata.map(\.value) == ["pt"])
    try folder.write(TorchArchive.bytes([TestTensor("z", [2])]), to: "model.bin")
    try succeed(["convert", "model.bin", "z.safetensors"], in: folder)
    #expect(try SafetensorsFile(path: folder.file("z.safetensors")).float64(of: 0) == [1, 2])
  }

  // MARK: Outputs

  @Test("an output is replaced with --force, and left alone by --dry-run")
  func existing() throws {
    let folder = try basic()
    try folder.write([1], to: "o.h5")
    let dry = try succeed(
      ["convert", "adapter", "o.h5", "--force", "--dry-run", "--json"], in: folder)
    #expect(try dry.json()["dry_run"]?.bool == true)
    #expect(try ReadableFile.contents(of: folder.file("o.h5"), limit: 9) == [1])
    try succeed(["convert", "adapter", "o.h5", "--force"], in: folder)
    #expect(try Adapter(path: folder.file("o.h5")).blocks.count == 10)
    let before = folder.entries
    try succeed(["convert", "adapter", "p.reslora", "--dry-run"], in: folder)
    #expect(folder.entries == before)
  }

  struct Refusal: CustomTestStringConvertible, Sendable {
    let status: Int32
    let error: String
    let arguments: [String]
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ status: Int32, _ error: String, _ arguments: String...) {
      self.status = status
      self.error = error
      self.arguments = arguments
    }
  }

  private static let help = "; see 'resloratool convert --help'"
  private static let adapterOnly =
    "--base, --dtype, --windows, --topology, --root and --pre-num are for adapters, and this is "

  static let refusals: [Refusal] = [
    Refusal(
      2, "the name of o tells no format; name one with --to peft|reslora|hdf5|safetensors" + help,
      "adapter", "o"),
    Refusal(
      2,
      "the name of o.txt tells no format; name one with --to peft|reslora|hdf5|safetensors"
        + help, "adapter", "o.txt"),
    Refusal(
      2,
      "The value 'zip' is invalid for '--to <peft|reslora|hdf5|safetensors>'. Please provide one "
        + "of 'peft', 'reslora', 'hdf5' or 'safetensors'." + help, "adapter", "o.h5", "--to", "zip"),
    Refusal(2, "Missing expected argument '<output>'" + help, "adapter"),
    Refusal(2, "w.h5: exists already; name another output or pass --force", "adapter", "w.h5"),
    Refusal(
      2, "w.h5: exists already; name another output or pass --force", "adapter", "w.h5",
      "--dry-run"),
    Refusal(2, "a.h5: is the input a.h5; name another output", "a.h5", "a.h5", "--force"),
    Refusal(2, "./a.h5: is the input a.h5; name another output", "a.h5", "./a.h5", "--force"),
    Refusal(
      2, "base.safetensors: is the input base.safetensors; name another output", "adapter",
      "base.safetensors", "--base", "base.safetensors", "--force"),
    Refusal(
      2, "w.h5: is the input w.h5; name another output", "adapter", "w.h5", "--windows", "w.h5",
      "--force"),
    Refusal(
      2, "a PEFT folder holds no links (found is, expected plain); merge the adapter first",
      "adapter", "o", "--to", "peft"),
    Refusal(
      2, "--compression is for .reslora files, and the output is none" + help, "adapter", "o.h5",
      "--compression", "zstd"),
    Refusal(
      2, "--compression is for .reslora files, and the output is none" + help, "w.h5", "o.json",
      "--compression", "none"),
    Refusal(
      2,
      "a checkpoint can be written as safetensors; give the output such an extension, or say --to"
        + help, "base.safetensors", "o.h5"),
    Refusal(
      2, adapterOnly + "a checkpoint" + help, "base.safetensors", "o.safetensors", "--dtype", "f16"),
    Refusal(2, adapterOnly + "norm windows" + help, "w.h5", "o.json", "--root", "none"),
    Refusal(
      2, adapterOnly + "activations" + help, "captured", "o.h5", "--base", "base.safetensors"),
    Refusal(
      2,
      "norm windows can be written as JSON or HDF5; give the output the extension .json or .h5"
        + help, "w.h5", "o.reslora"),
    Refusal(
      2,
      "norm windows can be written as JSON or HDF5; give the output the extension .json or .h5"
        + help, "w.h5", "o.json", "--to", "safetensors"),
    Refusal(
      2,
      "activations can be written as safetensors or hdf5; give the output such an extension, or "
        + "say --to" + help, "captured", "o.reslora"),
    Refusal(3, "nowhere: can't open: No such file or directory", "nowhere", "o.h5"),
    Refusal(
      3, "nowhere: can't open: No such file or directory", "adapter", "o.h5", "--base", "nowhere"),
    Refusal(
      3,
      "captured: no adapter (found a checkpoint, expected a PEFT folder, a published ResLoRA "
        + "checkpoint, or a .reslora, HDF5 or safetensors file of ours)", "adapter", "o.h5",
      "--windows", "captured"),
    Refusal(
      3,
      "w.h5: no base checkpoint (found an HDF5 file, expected a safetensors file or a folder of "
        + "them)", "adapter", "o.h5", "--base", "w.h5"),
  ]

  @Test("a refusal is one line with its exit status, and creates nothing", arguments: refusals)
  func refused(_ test: Refusal) throws {
    let folder = try basic()
    try succeed(["convert", "norm-windows.json", "w.h5"], in: folder)
    try succeed(["convert", "adapter", "a.h5"], in: folder)
    try folder.write(
      tensors: [TestTensor("x", [1, 1])], metadata: [("inputs", #"{"q": "x"}"#)], to: "captured")
    let before = folder.entries
    let outcome = try Tool.run(["convert"] + test.arguments, in: folder.path)
    #expect(outcome.error == "error: \(test.error)\n")
    #expect(outcome.status == test.status)
    #expect(!outcome.isSignal && outcome.output.isEmpty)
    #expect(folder.entries == before)
  }

  @Test("an element that does not fit the dtype ends the work and leaves nothing")
  func overflow() throws {
    let folder = TemporaryFolder()
    try folder.write(
      tensors: [
        TestTensor("a.lora_A", [1, 2], values: [1, 70_000]), TestTensor("a.lora_B", [2, 1]),
      ],
      metadata: [
        (
          "reslora",
          #"{"format": "reslora-adapter", "version": 1, "structure": "plain", "#
            + #""blocks": [{"name": "a", "scaling": 1}]}"#
        )
      ], to: "a")
    for output in ["o.h5", "o.reslora", "o.safetensors"] {
      let outcome = try Tool.run(["convert", "a", output, "--dtype", "f16"], in: folder.path)
      #expect(outcome.status == 3)
      #expect(
        outcome.error
          == "error: tensor 'a.lora_A': does not fit F16 (found 70000.0); write it with a wider "
          + "--dtype\n")
      #expect(folder.entries == ["a"])
    }
  }

  // MARK: validate

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
}

extension JSONObject {
  /// Keys and the text of their values, one after the other.
  fileprivate var keysAndText: [String] { members.flatMap { [$0.key, $0.value.serialized()] } }
}
