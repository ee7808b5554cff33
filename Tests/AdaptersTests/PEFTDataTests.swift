import Adapters
import ByteIO
import Safetensors
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Adapters that PEFT 0.21 made and merged, as far as they are plain LoRAs.
@Suite struct PEFTDataTests {
  private func path(_ name: String, _ file: String) throws -> String {
    TestFiles.fixture("peft/\(name)/\(file)")
  }

  private func open(_ name: String) throws -> Adapter {
    try Adapter(path: path(name, "adapter"))
  }

  @Test(
    "ranks, scalings and dtypes",
    arguments: [
      ("lora", 2.0), ("lora-bf16", 2), ("lora-fp16", 2), ("rslora", 4),
    ])
  func plain(_ name: String, _ scaling: Double) throws {
    let adapter = try open(name)
    #expect(adapter.format == "PEFT folder")
    #expect(adapter.structure == .plain)
    #expect(!adapter.blocks.isEmpty)
    for block in adapter.blocks {
      #expect(block.rank == 4)
      #expect(block.scaling == scaling)
      #expect(block.a.dtype == .f32 && block.b.dtype == .f32)
      #expect(!block.name.string.hasPrefix("base_model."))
    }
    #expect(adapter.notes.isEmpty)
  }

  @Test("rank and alpha patterns: plain text, anchored, with escapes")
  func patterns() throws {
    for block in try open("lora-patterns").blocks {
      let name = block.name.string
      let rank =
        name.hasSuffix("down_proj") ? 3 : name == "model.layers.1.self_attn.q_proj" ? 8 : 4
      let alpha =
        name == "model.layers.0.self_attn.v_proj" ? 9.0 : name.hasSuffix("up_proj") ? 5 : 4
      #expect(block.rank == rank, "\(name)")
      #expect(block.scaling == alpha / Double(rank), "\(name)")
    }
  }

  @Test("base plus s B A is what PEFT merged", arguments: ["lora", "lora-patterns", "rslora"])
  func merged(_ name: String) throws {
    let adapter = try open(name)
    let base = try SafetensorsFile(path: path(name, "base.safetensors"))
    let merged = try SafetensorsFile(path: path(name, "merged.safetensors"))
    let match = try BaseMatch(
      adapter.blocks.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: false)
    for (block, index) in zip(adapter.blocks, match.weights) {
      let weight = try #require(index)
      let other = try #require(merged.index(of: base.tensors[weight].name))
      let delta = try block.b.load().scaled(by: block.scaling).times(block.a.load())
      let sums = zip(try base.float64(of: weight), delta.values).map { $0 + $1 }
      let found = try merged.float64(of: other)
      #expect(zip(sums, found).allSatisfy { abs($0 - $1) < 1e-5 }, "\(block.name)")
      // The delta is no rounding error.
      #expect(delta.frobeniusNorm > 0.01)
    }
  }

  @Test(
    "what is no plain LoRA of linear layers is named, with the first module that is none",
    arguments: [
      ("adalora", "an AdaLoRA", "model.layers.0.mlp.down_proj"),
      ("loha", "a LoHa", "model.layers.0.mlp.down_proj"), ("loha-conv2d", "a LoHa", "conv_in"),
      ("lokr", "a LoKr", "model.layers.0.mlp.down_proj"), ("lokr-conv2d", "a LoKr", "conv_in"),
      ("lokr-decompose-both", "a LoKr", "model.layers.0.mlp.down_proj"),
      ("dora", "a DoRA", "model.layers.0.mlp.down_proj"), ("dora-conv2d", "a DoRA", "conv_in"),
      ("lora-bias-only", "a saved bias", "model.layers.0.self_attn.q_proj.bias"),
      (
        "lora-conv1d-fan-in-fan-out", "a LoRA of a transposed weight (fan_in_fan_out)",
        "h.0.c_attn"
      ), ("lora-lora-bias", "a LoRA with a bias", "model.layers.0.self_attn.q_proj"),
      ("lora-modules-to-save", "a saved module", "score.bias"),
      ("lora-conv2d", "a LoRA of a convolution", "conv_in"),
      ("lora-embedding", "a LoRA of an embedding", "model.embed_tokens"),
    ])
  func foldOnly(_ name: String, _ kind: String, _ module: String) throws {
    let path = try path(name, "adapter")
    let error = #expect(throws: AdapterError.self) { try open(name) }
    #expect(error == .foldOnly(source: path, kind: kind, module: TensorName(module)))
    #expect(
      error?.description == "\(path): \(kind) on '\(module)'; fold takes it, but it is no plain "
        + "LoRA of linear layers, which is what is expected here")
    let updates = try #require(try AdapterUpdates(path: path))
    #expect(!updates.isPlain)
  }

  @Test(
    "what PEFT wrote, written again and read, is the same adapter",
    arguments: ["lora-patterns", "lora-bf16"])
  func rewritten(_ name: String) throws {
    let adapter = try open(name)
    let folder = TemporaryFolder()
    try StoredLoRA(adapter).write(
      to: folder.file("copy"), as: .peft, dtype: nil, options: WriteOptions(replacing: false))
    let copy = try Adapter(path: folder.file("copy"))
    #expect(copy.names == adapter.names)
    for (block, original) in zip(copy.blocks, adapter.blocks) {
      #expect(block.scaling == original.scaling)
      #expect(block.a.dtype == original.a.dtype)
      #expect(try block.a.load() == original.a.load())
      #expect(try block.b.load() == original.b.load())
    }
    let original = try SafetensorsFile(path: path(name, "adapter/adapter_model.safetensors"))
    let written = try SafetensorsFile(path: folder.file("copy/adapter_model.safetensors"))
    #expect(written.header.text == original.header.text)
  }
}

/// An adapter's factors as they are stored.
private struct StoredLoRA: PlainLoRA {
  let blocks: [PlainBlock]
  private let adapter: Adapter

  init(_ adapter: Adapter) {
    self.adapter = adapter
    blocks = adapter.blocks.map { block in
      PlainBlock(
        name: block.name, rank: block.rank, inFeatures: block.inFeatures,
        outFeatures: block.outFeatures, scaling: block.scaling, aDType: block.a.dtype,
        bDType: block.b.dtype)
    }
  }

  func factors(of index: Int) throws -> PlainFactors {
    PlainFactors(a: try adapter.blocks[index].a.load(), b: try adapter.blocks[index].b.load())
  }
}
