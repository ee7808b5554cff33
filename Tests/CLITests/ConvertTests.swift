import HDF5
import Adapters
import ByteIO
import Foundation
import LoRATestSupport
import ResLoRAContainer
import Safetensors
import Tensors
import TestSupport
import Testing

/// `convert`, and `merge` into every format, end to end.
@Suite struct ConvertTests {
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
}

extension JSONObject {
  /// Keys and the text of their values, one after the other.
  fileprivate var keysAndText: [String] { members.flatMap { [$0.key, $0.value.serialized()] } }
}
