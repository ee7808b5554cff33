package import Adapters
package import Tensors
package import TestSupport

/// A published checkpoint in a folder of its own, as tests describe it.
package struct PublishedFolder {
  package let folder = TemporaryFolder()

  package static let config = JSONText([
    "rank": "2", "lora_alpha": "4", "lora_dropout": "0.0", "start_index": "0",
    "target_modules": #""q.v""#, "lora_num": "1", "merge_weights": "true", "res_flag": "1",
    "merge_flag": "0", "pre_num": "0", "merge_4_len": "100",
  ])

  package var path: String { folder.path }
  package var configPath: String { folder.file("reslora_config.json") }

  /// Writes a checkpoint that keeps the order of its keys, or one that does not.
  package init(
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
  package init(
    modules: [String], keepingOrder: Bool = false,
    config changes: KeyValuePairs<String, String?> = [:]
  ) throws {
    try self.init(
      modules.flatMap { TestTensor.published($0) }, keepingOrder: keepingOrder, config: changes)
  }

  package func open(_ overrides: AdapterOverrides = AdapterOverrides()) throws -> Adapter {
    try Adapter(path: path, overrides: overrides)
  }

  /// Opens it with a topology file beside it.
  package func open(topology text: String) throws -> Adapter {
    try open(AdapterOverrides(topology: TopologyFile(path: writeTopology(text))))
  }

  /// Opens it with a file of norm windows beside it.
  package func open(windows text: String) throws -> Adapter {
    try open(AdapterOverrides(windows: WindowsFile(path: writeWindows(text))))
  }

  package var topologyPath: String { folder.file("topology.json") }
  package var windowsPath: String { folder.file("windows.json") }

  @discardableResult
  package func writeTopology(_ text: String) throws -> String {
    try folder.write(text: text, to: "topology.json")
  }

  @discardableResult
  package func writeWindows(_ text: String) throws -> String {
    try folder.write(text: text, to: "windows.json")
  }
}

extension Adapter {
  /// Each block's predecessor by name, "-" for a root: `b<a` for b after a.
  package var links: [String] {
    blocks.indices.map { index in
      let previous = topology.previous[index].map { blocks[$0].name.string } ?? "-"
      return "\(blocks[index].name.string)<\(previous)"
    }
  }

  package var names: [TensorName] { blocks.map(\.name) }
}

/// A plain LoRA whose blocks differ in rank, scaling and dtype.
package struct TestLoRA: PlainLoRA {
  package let blocks: [PlainBlock]
  package let all: [PlainFactors]

  package init(
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

  package func factors(of index: Int) throws -> PlainFactors { all[index] }
}

/// A PEFT folder as tests describe it.
package struct PEFTTestFolder {
  package let folder = TemporaryFolder()

  package static let config = JSONText([
    "peft_type": #""LORA""#, "r": "2", "lora_alpha": "4", "target_modules": #"["q"]"#,
    "bias": #""none""#, "base_model_name_or_path": "null",
  ])

  package var path: String { folder.path }
  package var configPath: String { folder.file("adapter_config.json") }
  package var tensorPath: String { folder.file("adapter_model.safetensors") }

  package init(_ tensors: [TestTensor], config changes: KeyValuePairs<String, String?> = [:]) throws
  {
    try folder.write(
      tensors: tensors, metadata: [("format", "pt")], to: "adapter_model.safetensors")
    try writeConfig(changes)
  }

  package func writeConfig(_ changes: KeyValuePairs<String, String?>) throws {
    try folder.write(text: PEFTTestFolder.config.changed(changes).text, to: "adapter_config.json")
  }

  package func open(_ overrides: AdapterOverrides = AdapterOverrides()) throws -> Adapter {
    try Adapter(path: path, overrides: overrides)
  }
}
