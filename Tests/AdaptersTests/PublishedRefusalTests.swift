import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Published checkpoints whose tensors do not make an adapter.
@Suite struct PublishedRefusalTests {
  private func expectRefused(
    _ tensors: [TestTensor], config changes: KeyValuePairs<String, String?> = [:],
    line: String? = nil, sourceLocation: SourceLocation = #_sourceLocation,
    _ expected: (_ path: String) -> AdapterError
  ) throws {
    let folder = try PublishedFolder(tensors, config: changes)
    let path = folder.folder.file("model.safetensors")
    let error = #expect(throws: AdapterError.self, sourceLocation: sourceLocation) {
      try folder.open()
    }
    #expect(error == expected(path), sourceLocation: sourceLocation)
    #expect(error?.failureKind == .badData, sourceLocation: sourceLocation)
    if let line {
      #expect(error?.description == "\(folder.path): \(line)", sourceLocation: sourceLocation)
    }
  }

  private let pair = TestTensor.published("l.0.q_proj")

  @Test("a pair without A or without B", arguments: [0, 1])
  func half(_ position: Int) throws {
    let folder = try PublishedFolder([pair[position]])
    let path = folder.folder.file("model.safetensors")
    let error = #expect(throws: AdapterError.self) { try folder.open() }
    #expect(error == .incompletePair(source: path, block: "l.0.q_proj", pair: 0))
    #expect(
      error?.description == "\(path): block 'l.0.q_proj': pair 0 is incomplete "
        + "(expected A and B of every pair, numbered from 0 without a gap)")
  }

  @Test("a gap in the numbers of pairs", arguments: [[0, 2], [1], [0, 1, 3], [5]])
  func gap(_ numbers: [Int]) throws {
    let tensors = numbers.flatMap { TestTensor.published("m.q_proj", pair: $0) }
    let first = (0...).first { !numbers.contains($0) } ?? 0
    try expectRefused(tensors) { .incompletePair(source: $0, block: "m.q_proj", pair: first) }
  }

  @Test("a second pair without B")
  func halfSecond() throws {
    try expectRefused(pair + [TestTensor.published("l.0.q_proj", pair: 1)[0]]) {
      .incompletePair(source: $0, block: "l.0.q_proj", pair: 1)
    }
  }

  @Test("a rank that the tensors contradict, in any pair", arguments: [0, 1])
  func contradiction(_ odd: Int) throws {
    let tensors = (0...1).flatMap {
      TestTensor.published("l.0.q_proj", rank: $0 == odd ? 3 : 2, pair: $0)
    }
    let folder = try PublishedFolder(tensors)
    let error = #expect(throws: SidecarError.self) { try folder.open() }
    let tensor = TensorName("l.0.q_proj.loras.\(odd).lora_A")
    #expect(error?.reason == .contradicts(key: "rank", found: 2, tensor: tensor, expected: 3))
    #expect(
      error?.description
        == "\(folder.configPath): 'rank' contradicts tensor '\(tensor)' (found 2, expected 3)")
  }

  @Test("A and B of different rank")
  func rankMismatch() throws {
    let tensors = [pair[0], TestTensor("l.0.q_proj.loras.0.lora_B", [4, 3])]
    try expectRefused(
      tensors,
      line: "block 'l.0.q_proj': A and B differ in rank (found 2 rows of A and 3 columns of B, "
        + "expected the same pair by pair)"
    ) {
      .inAdapter(
        source: Paths.parent(of: $0),
        .rankMismatch(block: "l.0.q_proj", rowsOfA: 2, columnsOfB: 3))
    }
  }

  @Test("stacked pairs of different features")
  func stackMismatch() throws {
    try expectRefused(pair + TestTensor.published("l.0.q_proj", in: 5, pair: 1)) {
      .stackMismatch(
        source: $0, tensor: "l.0.q_proj.loras.1.lora_A", found: 5, expected: 4)
    }
    try expectRefused(pair + TestTensor.published("l.0.q_proj", out: 6, pair: 1)) {
      .stackMismatch(
        source: $0, tensor: "l.0.q_proj.loras.1.lora_B", found: 6, expected: 4)
    }
  }

  @Test("factors that are no matrices", arguments: [[], [2], [2, 4, 1], [2, 0], [0, 4]])
  func notAMatrix(_ shape: [Int]) throws {
    try expectRefused([TestTensor("l.0.q_proj.loras.0.lora_A", shape), pair[1]]) {
      .notAMatrix(source: $0, tensor: "l.0.q_proj.loras.0.lora_A", found: shape)
    }
  }

  @Test(
    "factors of a dtype that nothing is computed with",
    arguments: [
      DType.i64, .u8, .bool, .f8E4M3, .f4, .c64,
    ])
  func dtype(_ dtype: DType) throws {
    let folder = try PublishedFolder([
      pair[0], TestTensor("l.0.q_proj.loras.0.lora_B", [4, 2], dtype: dtype),
    ])
    let path = folder.folder.file("model.safetensors")
    let error = #expect(throws: AdapterError.self) { try folder.open() }
    #expect(
      error == .unusableDType(source: path, tensor: "l.0.q_proj.loras.0.lora_B", found: dtype))
    #expect(
      error?.description == "\(path): tensor 'l.0.q_proj.loras.0.lora_B': not a dtype to compute "
        + "with (found \(dtype.rawValue), expected F64, F32, F16 or BF16)")
  }

  @Test("no adapter tensors in the file, and no file at all")
  func nothing() throws {
    try expectRefused([TestTensor("l.0.q_proj.weight", [2, 2])]) { .noBlocks(source: $0) }
    let folder = TemporaryFolder()
    try folder.write(text: PublishedFolder.config.text, to: "reslora_config.json")
    let error = #expect(throws: AdapterError.self) { try Adapter(path: folder.path) }
    #expect(
      error?.description == "\(folder.path): says nothing of the adapter's tensors; expected one "
        + "of pytorch_model_lora.bin, sd.pt, model.safetensors, pytorch_model.bin beside the config"
    )
  }

  @Test(
    "keys that only resemble those of a pair are other tensors",
    arguments: [
      "l.0.q_proj.loras.0.lora_C", "l.0.q_proj.loras.x.lora_A", "l.0.q_proj.loras..lora_A",
      "l.0.q_proj.loras.-1.lora_A", "l.0.q_proj.loras.00.lora_A", "l.0.q_proj.loras.01.lora_B",
      "l.0.q_proj.lora.0.lora_A", "loras.0.lora_A", "l.0.q_proj.loras.0.lora_A.weight",
      "l.0.q_proj.loras.99999999999999999999.lora_A",
    ])
  func resembling(_ name: String) throws {
    let other = TestTensor(TensorName(name), [2, 4], values: [Double](repeating: 9, count: 8))
    let adapter = try PublishedFolder(pair + [other]).open()
    #expect(adapter.names == ["l.0.q_proj"])
    #expect(adapter.notes.contains("1 other tensor in the file is no part of the adapter"))
    #expect(try adapter.blocks[0].a.load().values == [1, 2, 3, 4, 5, 6, 7, 8])
  }

  @Test(
    "wrappers around all names are taken off, and said",
    arguments: [
      ("module.", "module."), ("wrapped_model.", "wrapped_model."),
      ("module.wrapped_model.", "module.wrapped_model."),
      ("wrapped_model.module.", "wrapped_model.module."), ("module.module.", "module.module."),
    ])
  func wrappers(_ prefix: String, _ stripped: String) throws {
    let folder = try PublishedFolder(modules: ["\(prefix)l.0.q_proj", "\(prefix)l.1.q_proj"])
    let adapter = try folder.open()
    #expect(adapter.links == ["l.0.q_proj<-", "l.1.q_proj<l.0.q_proj"])
    #expect(adapter.notes.contains("took the prefix '\(stripped)' off all block names"))
  }

  @Test("a wrapper around some names stays", arguments: ["module.", "wrapped_model."])
  func someWrapped(_ prefix: String) throws {
    let adapter = try PublishedFolder(modules: ["\(prefix)l.0.q_proj", "l.1.q_proj"]).open()
    #expect(Set(adapter.names) == [TensorName("\(prefix)l.0.q_proj"), "l.1.q_proj"])
    #expect(!adapter.notes.contains { $0.hasPrefix("took the prefix") })
  }

  @Test("stacked pairs are one block, in the order of their numbers")
  func stacked() throws {
    let tensors = [11, 2, 1, 0, 3, 4, 5, 6, 7, 8, 9, 10].flatMap { pair in
      [
        TestTensor(
          TensorName("m.q_proj.loras.\(pair).lora_A"), [2, 3],
          values: [Double](repeating: Double(pair), count: 6)),
        TestTensor(
          TensorName("m.q_proj.loras.\(pair).lora_B"), [2, 2],
          values: [Double](repeating: -Double(pair), count: 4)),
      ]
    }
    let block = try PublishedFolder(tensors).open().blocks[0]
    #expect((block.rank, block.inFeatures, block.outFeatures) == (24, 3, 2))
    // The scaling stays that of one pair.
    #expect(block.scaling == 2)
    #expect(block.a.ranks == [Int](repeating: 2, count: 12))
    #expect(
      try block.a.load().values == (0..<12).flatMap { [Double](repeating: Double($0), count: 6) })
    let row = (0..<12).flatMap { [-Double($0), -Double($0)] }
    #expect(try block.b.load().values == row + row)
  }
}
