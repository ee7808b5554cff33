import Adapters
import LoRATestSupport
import Tensors
import Testing

/// Families and links of modules in published checkpoints (Merging §3.3 a and c).
@Suite struct PublishedFamilyTests {
  private func links(_ modules: [String], letters: String) throws -> [String] {
    try PublishedFolder(modules: modules, config: ["target_modules": "\"\(letters)\""]).open().links
  }

  @Test("llama: each key is a family, two for the letter f")
  func llama() throws {
    #expect(
      try links(
        [
          "l.0.down_proj", "l.0.q_proj", "l.0.up_proj", "l.1.down_proj", "l.1.q_proj",
          "l.1.up_proj",
        ],
        letters: "q.f") == [
          "l.0.down_proj<-", "l.0.q_proj<-", "l.0.up_proj<-", "l.1.down_proj<l.0.down_proj",
          "l.1.q_proj<l.0.q_proj", "l.1.up_proj<l.0.up_proj",
        ])
  }

  @Test("unet: to_out is one family, wherever the key stands in the name")
  func unet() throws {
    #expect(
      try links(["b.0.to_out.0", "b.0.to_q", "b.1.to_out.0", "b.1.to_q"], letters: "q.o") == [
        "b.0.to_out.0<-", "b.0.to_q<-", "b.1.to_out.0<b.0.to_out.0", "b.1.to_q<b.0.to_q",
      ])
  }

  @Test("roberta: 'out' joins what the last components would part")
  func roberta() throws {
    #expect(
      try links(["e.0.attention.output.dense", "e.0.layout", "e.0.query"], letters: "q.o") == [
        "e.0.attention.output.dense<-", "e.0.layout<e.0.attention.output.dense", "e.0.query<-",
      ])
  }

  @Test("names with keys of several tables: the first table that covers all counts")
  func severalTables() throws {
    // By roberta's keys all four would be one family.
    let both = ["b.0.to_k.query", "b.0.to_q.query", "b.1.to_k.query", "b.1.to_q.query"]
    #expect(
      try links(both, letters: "q.k") == [
        "b.0.to_k.query<-", "b.0.to_q.query<-", "b.1.to_k.query<b.0.to_k.query",
        "b.1.to_q.query<b.0.to_q.query",
      ])
    // unet does not cover the last module, so roberta does.
    #expect(
      try links(both.dropLast() + ["b.1.query"], letters: "q.k") == [
        "b.0.to_k.query<-", "b.0.to_q.query<b.0.to_k.query", "b.1.query<b.0.to_q.query",
        "b.1.to_k.query<b.1.query",
      ])
  }

  @Test("a name with two keys belongs to the first, in the order of the letters")
  func twoKeys() throws {
    let modules = ["a.query_value", "b.query", "c.value"]
    #expect(
      try links(modules, letters: "q.v") == [
        "a.query_value<-", "b.query<a.query_value", "c.value<-",
      ])
    #expect(
      try links(modules, letters: "v.q") == [
        "a.query_value<-", "b.query<-", "c.value<a.query_value",
      ])
  }

  @Test("letters that a table lacks are skipped, and case does not matter")
  func letters() throws {
    let modules = ["E.0.Query", "E.0.Value", "E.1.QUERY", "E.1.vAlUe"]
    for letters in ["g.q.v", "Q.V", "q.v.x.", "..q..v"] {
      #expect(
        try links(modules, letters: letters) == [
          "E.0.Query<-", "E.0.Value<-", "E.1.QUERY<E.0.Query", "E.1.vAlUe<E.0.Value",
        ])
    }
  }

  @Test(
    "without a table: the last component that is no number",
    arguments: [
      "q.v", "", "x", "q_proj", "fc",
    ])
  func noTable(_ letters: String) throws {
    #expect(
      try links(["n.0.fc.0", "n.0.fc.1", "n.0.gate", "n.1.fc.0", "n.1.gate"], letters: letters) == [
        "n.0.fc.0<-", "n.0.fc.1<n.0.fc.0", "n.0.gate<-", "n.1.fc.0<n.0.fc.1", "n.1.gate<n.0.gate",
      ])
  }

  @Test("no letters at all", arguments: [nil, "null"])
  func noLetters(_ value: String?) throws {
    let folder = try PublishedFolder(
      modules: ["l.0.q_proj", "l.1.q_proj"], config: ["target_modules": value])
    #expect(try folder.open().links == ["l.0.q_proj<-", "l.1.q_proj<l.0.q_proj"])
  }

  @Test("a name of numbers alone is a family too")
  func numbersAlone() throws {
    #expect(try links(["0", "1"], letters: "q") == ["0<-", "1<0"])
  }

  @Test("a link needs equal features; what follows a break is compared with the break")
  func shapeBreak() throws {
    let shapes = [(4, 4), (4, 4), (6, 4), (6, 4), (4, 4), (4, 5), (4, 4)]
    let tensors = shapes.enumerated().flatMap { layer, shape in
      TestTensor.published("l.\(layer).q_proj", in: shape.0, out: shape.1)
    }
    let previous = try PublishedFolder(tensors).open().topology.previous
    #expect(previous == [nil, 0, nil, 2, nil, nil, nil])
  }

  @Test(
    "structures by res_flag",
    arguments: [
      ("0", Structure.plain), ("1", .inputShortcut), ("2", .blockShortcut), ("3", .middleShortcut),
    ])
  func structures(_ flag: String, _ structure: Structure) throws {
    let folder = try PublishedFolder(
      modules: ["l.0.q_proj", "l.1.q_proj"], config: ["res_flag": flag, "pre_num": "3"])
    let adapter = try folder.open()
    #expect(adapter.structure == structure)
    #expect(adapter.topology.root == .ownInput)
    #expect(adapter.topology.reach.rawValue == 3)
    #expect(adapter.topology.previous == (structure == .plain ? [nil, nil] : [nil, 0]))
    #expect(adapter.blocks.map(\.scaling) == [2, 2])
  }
}
