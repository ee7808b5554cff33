import Adapters
import LoRATestSupport
import Tensors
import Testing

/// The order of modules in published checkpoints (Merging §3.3 b).
@Suite struct PublishedOrderTests {
  @Test("a file that keeps its order, plausibly, gives the order of the modules")
  func fileOrder() throws {
    let modules = [
      "down_blocks.0.attn.to_q", "down_blocks.1.attn.to_q", "mid_block.attn.to_q",
      "bottleneck.attn.to_q", "up_blocks.0.attn.to_q",
    ]
    let folder = try PublishedFolder(modules: modules, keepingOrder: true)
    #expect(try folder.open().names.map(\.string) == modules)
    #expect(
      try folder.open().links == [
        "down_blocks.0.attn.to_q<-", "down_blocks.1.attn.to_q<down_blocks.0.attn.to_q",
        "mid_block.attn.to_q<down_blocks.1.attn.to_q",
        "bottleneck.attn.to_q<mid_block.attn.to_q", "up_blocks.0.attn.to_q<bottleneck.attn.to_q",
      ])
  }

  @Test("safetensors keep no order: names do")
  func nameOrder() throws {
    let folder = try PublishedFolder(modules: ["up.0.to_q", "mid.to_q", "down.0.to_q"])
    #expect(try folder.open().names == ["down.0.to_q", "mid.to_q", "up.0.to_q"])
  }

  @Test(
    "a higher number before a lower one is implausible",
    arguments: [
      // Next to each other, and with another module of the family between them.
      ["l.0.q_proj", "l.1.q_proj", "l.10.q_proj", "l.2.q_proj"],
      ["l.2.q_proj", "z.0.q_proj", "l.1.q_proj"],
      ["l.2.x.0.q_proj", "a.q_proj", "b.q_proj", "l.1.x.3.q_proj"],
      ["l.00010.q_proj", "l.9.q_proj"],
    ])
  func implausible(_ modules: [String]) throws {
    let stored = try PublishedFolder(modules: modules, keepingOrder: true).open()
    let sorted = try PublishedFolder(modules: modules).open()
    #expect(stored.names == sorted.names)
    #expect(stored.names.map(\.string) != modules)
    #expect(stored.links == sorted.links)
  }

  @Test(
    "what looks unsorted and is plausible all the same",
    arguments: [
      // Numbers of different families, below different parents, or that are no decimal numbers.
      ["l.1.v_proj", "l.0.q_proj"], ["a.5.q_proj", "b.1.q_proj", "c.0.q_proj"],
      ["l.x2.q_proj", "l.x1.q_proj"], ["l.b.q_proj", "l.a.q_proj", "l.3.q_proj"],
      ["l.0.x.3.q_proj", "l.1.x.0.q_proj"],
    ])
  func plausible(_ modules: [String]) throws {
    let adapter = try PublishedFolder(modules: modules, keepingOrder: true).open()
    #expect(adapter.names.map(\.string) == modules)
  }

  @Test("one implausible family makes all families go by name")
  func allFamilies() throws {
    let modules = ["z.q_proj", "l.1.v_proj", "l.0.v_proj", "a.q_proj"]
    let adapter = try PublishedFolder(modules: modules, keepingOrder: true).open()
    #expect(
      adapter.links == ["a.q_proj<-", "l.0.v_proj<-", "l.1.v_proj<l.0.v_proj", "z.q_proj<a.q_proj"])
  }

  @Test("name order: numbers by value and first, then bytes, a name before its extensions")
  func numericAware() throws {
    let sorted = [
      "l.2.q", "l.10.q", "l.99999999999999999999.q", "l.100000000000000000000.q", "l.-1.q",
      "l.1a.q", "l.B.q", "l.a.q", "l.a.q.0.q", "l.\u{e9}.q",
    ]
    let adapter = try PublishedFolder(
      modules: sorted.reversed(), config: ["target_modules": #""""#]
    ).open()
    #expect(adapter.names.map(\.string) == sorted)
    #expect(adapter.topology.chains == [Array(0..<10)])
  }

  @Test("blocks stand in module order, their tensors where they were")
  func blocksFollow() throws {
    let tensors =
      TestTensor.published("l.1.q_proj", in: 4, out: 6)
      + TestTensor.published("l.0.q_proj", in: 4, out: 6)
    let adapter = try PublishedFolder(tensors, keepingOrder: true).open()
    #expect(adapter.names == ["l.0.q_proj", "l.1.q_proj"])
    #expect(adapter.blocks[0].a.pieces.map(\.info.name) == ["l.0.q_proj.loras.0.lora_A"])
    #expect(adapter.blocks[0].outFeatures == 6)
  }
}
