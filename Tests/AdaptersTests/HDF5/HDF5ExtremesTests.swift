import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// Adapters that stretch what HDF5 holds: they go into a file and come back, or are refused.
@Suite struct HDF5ExtremesTests {
  private let folder = TemporaryFolder()

  /// A chain of blocks with statistics of all predecessors, in safetensors.
  private func chain(_ names: [String], _ changes: KeyValuePairs<String, String?> = [:]) throws
    -> Adapter
  {
    let blocks = names.indices.map { index in
      let cross = names[...index].enumerated().map { "\"\($1)\": \(Double($0) + 0.1)" }
      let base = TestDescription.base([
        "shape": "[2, 2]",
        "statistics": "{\"squared_norm\": 2, \"cross\": {\(cross.joined(separator: ","))}}",
      ])
      return TestDescription.block(
        names[index],
        ["previous": index == 0 ? "null" : "\"\(names[index - 1])\"", "base": base])
    }
    let text = TestDescription.top.changed([
      "structure": #""ms""#, "blocks": "[\(blocks.joined(separator: ","))]",
    ]).changed(changes).text
    try folder.write(
      tensors: names.flatMap {
        [
          TestTensor(TensorName("\($0).lora_A"), [1, 2]),
          TestTensor(TensorName("\($0).lora_B"), [2, 1]),
        ]
      }, metadata: [("reslora", text)], to: "x.safetensors")
    return try Adapter(path: folder.file("x.safetensors"))
  }

  private func expectKept(_ adapter: Adapter) throws {
    let path = folder.file("x.h5")
    try adapter.write(to: path, as: .hdf5)
    let read = try Adapter(path: path)
    #expect(read.names == adapter.names)
    #expect(read.topology.previous == adapter.topology.previous)
    #expect(read.blocks.map(\.base) == adapter.blocks.map(\.base))
    #expect(read.provenance.baseModel == adapter.provenance.baseModel)
    #expect(read.provenance.metadata.map(\.key) == adapter.provenance.metadata.map(\.key))
    #expect(read.provenance.metadata.map(\.value) == adapter.provenance.metadata.map(\.value))
  }

  @Test("a chain so long that its statistics outgrow an object header")
  func longChain() throws {
    let names = (0..<120).map { "model.layers.\($0).self_attn.q_proj" }
    try expectKept(chain(names))
  }

  @Test("the longest names that a tensor's name leaves room for, all of their bytes escaped")
  func longNames() throws {
    let count = 4096 - ".lora_A".utf8.count
    try expectKept(
      chain(["/", "%", "."].map { String(repeating: $0, count: count) } + ["..", ".", "%41"]))
  }

  @Test("a block whose tensors' names are too long for safetensors is refused there")
  func tooLongForSafetensors() throws {
    let name = TensorName(String(repeating: "x", count: 4090))
    let path = folder.file("x.h5")
    try TestLoRA([(name, 1, 1)]).write(to: path, as: .hdf5)
    let adapter = try Adapter(path: path)
    let out = folder.file("out")
    // The error shows the begin of it.
    let tensor = TensorName(String(repeating: "x", count: 32) + "…")
    for refusal in [
      { try adapter.write(to: out, as: .safetensors) },
      { try AdapterOutputFormat.safetensors.check(AdapterFileContent(adapter), for: out) },
    ] {
      let error = #expect(throws: SafetensorsError.self) { try refusal() }
      #expect(error?.reason == .nameTooLong(found: 4097, limit: 4096))
      #expect(error?.tensor == tensor)
    }
    #expect(folder.entries == ["x.h5"])
  }

  @Test("a base model of almost 64 KiB and metadata of more")
  func longTexts() throws {
    let (long, key) = (String(repeating: "é", count: 50_000), String(repeating: "/", count: 4096))
    try expectKept(
      chain(
        ["a"],
        ["base_model": "\"\(long.prefix(30_000))\"", "metadata": "{\"\(key)\": \"\(long)\"}"]))
  }
}
