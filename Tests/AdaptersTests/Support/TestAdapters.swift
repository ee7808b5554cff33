import Adapters
import Tensors
import TestSupport
import Testing

/// A published checkpoint in a folder of its own, as tests describe it.
struct PublishedFolder {
  let folder = TemporaryFolder()

  static let config = JSONText([
    "rank": "2", "lora_alpha": "4", "lora_dropout": "0.0", "start_index": "0",
    "target_modules": #""q.v""#, "lora_num": "1", "merge_weights": "true", "res_flag": "1",
    "merge_flag": "0", "pre_num": "0", "merge_4_len": "100",
  ])

  var path: String { folder.path }
  var configPath: String { folder.file("reslora_config.json") }

  /// Writes a checkpoint that keeps the order of its keys, or one that does not.
  init(
    _ tensors: [TestTensor], keepingOrder: Bool = false,
    config changes: KeyValuePairs<String, String?> = [:]
  ) throws {
    if keepingOrder {
      try folder.write(TorchArchive.bytes(tensors), to: "pytorch_model_lora.bin")
    } else {
      try folder.write(tensors: tensors, to: "model.safetensors")
    }
    try folder.write(text: PublishedFolder.config.changed(changes).text, to: "reslora_config.json")
  }

  /// A checkpoint of one pair for each module.
  init(
    modules: [String], keepingOrder: Bool = false,
    config changes: KeyValuePairs<String, String?> = [:]
  ) throws {
    try self.init(
      modules.flatMap { TestTensor.published($0) }, keepingOrder: keepingOrder, config: changes)
  }

  func open(_ overrides: AdapterOverrides = AdapterOverrides()) throws -> Adapter {
    try Adapter(path: path, overrides: overrides)
  }

  /// Opens it with a topology file beside it.
  func open(topology text: String) throws -> Adapter {
    try open(AdapterOverrides(topology: TopologyFile(path: writeTopology(text))))
  }

  /// Opens it with a file of norm windows beside it.
  func open(windows text: String) throws -> Adapter {
    try open(AdapterOverrides(windows: WindowsFile(path: writeWindows(text))))
  }

  var topologyPath: String { folder.file("topology.json") }
  var windowsPath: String { folder.file("windows.json") }

  @discardableResult
  func writeTopology(_ text: String) throws -> String {
    try folder.write(text: text, to: "topology.json")
  }

  @discardableResult
  func writeWindows(_ text: String) throws -> String {
    try folder.write(text: text, to: "windows.json")
  }
}

extension Adapter {
  /// Each block's predecessor by name, "-" for a root: `b<a` for b after a.
  var links: [String] {
    blocks.indices.map { index in
      let previous = topology.previous[index].map { blocks[$0].name.string } ?? "-"
      return "\(blocks[index].name.string)<\(previous)"
    }
  }

  var names: [TensorName] { blocks.map(\.name) }
}

/// A plain LoRA whose blocks differ in rank, scaling and dtype.
struct TestLoRA: PlainLoRA {
  let blocks: [PlainBlock]
  let all: [PlainFactors]

  init(
    _ blocks: [(name: TensorName, rank: Int, scaling: Double)], in inFeatures: Int = 5,
    out outFeatures: Int = 3, dtypes: (a: DType, b: DType) = (.f32, .f32), seed: UInt64 = 3
  ) {
    var generator = SeededGenerator(seed: seed)
    // Sixteenths are exact in every dtype.
    func values(_ count: Int) -> [Double] {
      generator.values(count).map { ($0 * 16).rounded() / 16 }
    }
    self.blocks = blocks.map { block in
      PlainBlock(
        name: block.name, rank: block.rank, inFeatures: inFeatures, outFeatures: outFeatures,
        scaling: block.scaling, aDType: dtypes.a, bDType: dtypes.b)
    }
    all = blocks.map { block in
      PlainFactors(
        a: Matrix(rows: block.rank, columns: inFeatures, values: values(block.rank * inFeatures)),
        b: Matrix(rows: outFeatures, columns: block.rank, values: values(outFeatures * block.rank)))
    }
  }

  func factors(of index: Int) throws -> PlainFactors { all[index] }

  /// Expects that an adapter holds the same.
  func expectEqual(
    _ adapter: Adapter, names: [TensorName]? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(adapter.structure == .plain, sourceLocation: sourceLocation)
    #expect(adapter.blocks.count == blocks.count, sourceLocation: sourceLocation)
    for (position, block) in blocks.enumerated() {
      let name = names?[position] ?? block.name
      let found = try #require(
        adapter.blocks.first { $0.name == name }, sourceLocation: sourceLocation)
      #expect(found.rank == block.rank, sourceLocation: sourceLocation)
      #expect(found.scaling == block.scaling, sourceLocation: sourceLocation)
      #expect(found.a.dtype == block.aDType, sourceLocation: sourceLocation)
      #expect(found.b.dtype == block.bDType, sourceLocation: sourceLocation)
      #expect(try found.a.load() == all[position].a, sourceLocation: sourceLocation)
      #expect(try found.b.load() == all[position].b, sourceLocation: sourceLocation)
    }
  }
}

/// A PEFT folder as tests describe it.
struct PEFTTestFolder {
  let folder = TemporaryFolder()

  static let config = JSONText([
    "peft_type": #""LORA""#, "r": "2", "lora_alpha": "4", "target_modules": #"["q"]"#,
    "bias": #""none""#, "base_model_name_or_path": "null",
  ])

  var path: String { folder.path }
  var configPath: String { folder.file("adapter_config.json") }
  var tensorPath: String { folder.file("adapter_model.safetensors") }

  init(_ tensors: [TestTensor], config changes: KeyValuePairs<String, String?> = [:]) throws {
    try folder.write(
      tensors: tensors, metadata: [("format", "pt")], to: "adapter_model.safetensors")
    try writeConfig(changes)
  }

  func writeConfig(_ changes: KeyValuePairs<String, String?>) throws {
    try folder.write(text: PEFTTestFolder.config.changed(changes).text, to: "adapter_config.json")
  }

  func open(_ overrides: AdapterOverrides = AdapterOverrides()) throws -> Adapter {
    try Adapter(path: path, overrides: overrides)
  }
}
