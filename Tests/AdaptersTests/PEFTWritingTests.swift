import Adapters
import ByteIO
import Safetensors
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// PEFT folders that are written (Merging §5.3).
@Suite struct PEFTWritingTests {
  private let folder = TemporaryFolder()
  private var path: String { folder.file("out") }

  private func config() throws -> JSONObject {
    try #require(try TestFiles.json("\(path)/adapter_config.json").object)
  }

  /// Writes a LoRA and reads it back, the same.
  private func roundTrip(
    _ lora: TestLoRA, names: [TensorName]? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try lora.write(to: path, as: .peft, dtype: nil, options: WriteOptions(replacing: true))
    try lora.expectEqual(try Adapter(path: path), names: names, sourceLocation: sourceLocation)
  }

  private func pattern(_ key: String) throws -> [String: Double] {
    let members = try #require(try config()[key]?.object).members
    return Dictionary(
      uniqueKeysWithValues: try members.map { ($0.key, try #require($0.value.number?.double)) })
  }

  @Test("ranks and scalings that differ from block to block")
  func differing() throws {
    try roundTrip(
      TestLoRA([("l.0.q", 2, 4), ("l.1.q", 4, 2), ("l.2.q", 2, 4), ("l.3.q", 8, 0.5)]))
    #expect(try config().integer("r") == 2)
    #expect(try config().integer("lora_alpha") == 8)
    // 4 · 2 is 8 too: only the last differs in alpha.
    #expect(try pattern("rank_pattern") == ["l.1.q": 4, "l.3.q": 8])
    #expect(try pattern("alpha_pattern") == ["l.3.q": 4])
  }

  @Test("equal blocks need no patterns")
  func equal() throws {
    try roundTrip(TestLoRA([("a", 3, 2), ("b", 3, 2)]))
    #expect(try pattern("rank_pattern").isEmpty)
    #expect(try pattern("alpha_pattern").isEmpty)
  }

  @Test("of equally common values the earliest block's")
  func ties() throws {
    try roundTrip(TestLoRA([("a", 5, 1), ("b", 3, 2), ("c", 3, 2), ("d", 5, 1)]))
    #expect(try config().integer("r") == 5)
    #expect(try config().integer("lora_alpha") == 5)
  }

  @Test("a name that ends another name")
  func suffixes() throws {
    try roundTrip(TestLoRA([("q", 1, 1), ("l.q", 2, 2), ("x.l.q", 3, 3), ("m", 3, 3)]))
    #expect(try pattern("rank_pattern") == ["^q": 1, #"^l\.q"#: 2])
    // Where the longer name differs, plain text will do; so it does in the order of the blocks.
    try roundTrip(TestLoRA([("q", 2, 2), ("l.q", 3, 3), ("m", 2, 2)]))
    #expect(try pattern("rank_pattern") == ["l.q": 3])
    try roundTrip(
      TestLoRA([("x.l.q", 3, 3), ("l.q", 2, 2), ("q", 1, 1), ("m", 4, 4), ("n", 4, 4)]))
    #expect(try pattern("rank_pattern") == ["x.l.q": 3, "l.q": 2, "q": 1])
  }

  @Test("a name that the dots of another match")
  func dots() throws {
    try roundTrip(TestLoRA([("a.b", 1, 1), ("axb", 2, 2), ("m", 2, 2)]))
    #expect(try pattern("rank_pattern") == [#"^a\.b"#: 1])
  }

  @Test("names with characters that patterns give a meaning")
  func metacharacters() throws {
    let names: [TensorName] = [
      "a+b", "a(b)[c]{2}|d", "^a$", #"a\d"#, "a*?", "é", "e\u{301}", "a b", "", "a.", ".a", "{3}",
    ]
    try roundTrip(
      TestLoRA(names.enumerated().map { ($1, $0 + 1, Double($0 + 1)) } + [("m", 3, 1)]))
  }

  @Test("seeded names, ranks and scalings")
  func seeded() throws {
    var generator = SeededGenerator(seed: 53)
    let parts = ["q", "k", "l", "0", "1", "a.b", "x+", "^", "é"]
    for _ in 0..<40 {
      var names: Set<TensorName> = []
      for _ in 0..<12 {
        let count = Int.random(in: 1...3, using: &generator)
        names.insert(
          TensorName(
            (0..<count).map { _ in parts[Int.random(in: 0..<parts.count, using: &generator)] }
              .joined(separator: ".")))
      }
      try roundTrip(
        TestLoRA(
          names.sorted().map { name in
            (
              name, Int.random(in: 1...3, using: &generator),
              Double(Int.random(in: 1...4, using: &generator)) / 2
            )
          }))
    }
  }

  @Test("scalings whose alpha is whole though floats say 6.000000000000001")
  func wholeAlpha() throws {
    try roundTrip(TestLoRA([("a", 7, 6.0 / 7), ("b", 49, 29.0 / 49), ("c", 3, 1.0 / 3)]))
    #expect(try config()["lora_alpha"]?.serialized() == "6")
    #expect(try pattern("alpha_pattern") == ["b": 29, "c": 1])
  }

  @Test(
    "alphas that are not whole, negative, zero or large",
    arguments: [
      1.25, -2, 0, 0.1, 1e-30, 1e17, 123_456_789.5,
    ])
  func oddAlpha(_ scaling: Double) throws {
    try roundTrip(TestLoRA([("a", 4, scaling), ("b", 4, scaling)]))
    let read = try Adapter(path: path).blocks.map(\.scaling)
    #expect(read == [scaling, scaling])
  }

  @Test("keys, dtypes and metadata of the tensors")
  func tensors() throws {
    let lora = TestLoRA([("l.0.q", 2, 1), ("k", 2, 1)], dtypes: (.bf16, .f64))
    try lora.write(to: path, as: .peft, dtype: nil, options: WriteOptions(replacing: false))
    #expect(try Paths.entries(of: path) == ["adapter_config.json", "adapter_model.safetensors"])
    let file = try SafetensorsFile(path: "\(path)/adapter_model.safetensors")
    #expect(file.header.metadata.map(\.key) == ["format"])
    #expect(file.header.metadata.map(\.value) == ["pt"])
    // By dtype, then by name.
    #expect(
      file.tensors.map(\.name) == [
        "base_model.model.k.lora_B.weight", "base_model.model.l.0.q.lora_B.weight",
        "base_model.model.k.lora_A.weight", "base_model.model.l.0.q.lora_A.weight",
      ])
    #expect(file.tensors.map(\.dtype) == [.f64, .f64, .bf16, .bf16])
    #expect(file.tensors.map(\.shape) == [[3, 2], [3, 2], [2, 5], [2, 5]])
  }

  @Test("one dtype for all", arguments: [DType.f16, .bf16, .f32, .f64])
  func dtype(_ dtype: DType) throws {
    let lora = TestLoRA([("q", 2, 1)], dtypes: (.bf16, .f64))
    try lora.write(to: path, as: .peft, dtype: dtype, options: WriteOptions(replacing: false))
    let block = try #require(try Adapter(path: path).blocks.first)
    #expect(block.a.dtype == dtype && block.b.dtype == dtype)
    #expect(try block.a.load() == lora.all[0].a)
  }

  @Test("a block that has PEFT's prefix does not get it twice, and finds its own values")
  func prefixed() throws {
    let lora = TestLoRA([("base_model.model.l.q", 3, 2), ("l.k", 2, 2), ("l.v", 2, 2)])
    try roundTrip(lora, names: ["l.q", "l.k", "l.v"])
    let file = try SafetensorsFile(path: "\(path)/adapter_model.safetensors")
    #expect(file.index(of: "base_model.model.l.q.lora_A.weight") != nil)
    #expect(try pattern("rank_pattern") == ["l.q": 3])
    #expect(
      try config()["target_modules"]?.array?.compactMap(\.string) == ["l.q", "l.k", "l.v"])
  }

  @Test("blocks that the prefix makes one are refused, and nothing appears")
  func collision() throws {
    let lora = TestLoRA([("l.q", 2, 1), ("base_model.model.l.q", 2, 1)])
    #expect(throws: AdapterError.duplicateBlock("base_model.model.l.q")) {
      try lora.write(to: path, as: .peft, dtype: nil, options: WriteOptions(replacing: false))
    }
    #expect(folder.entries.isEmpty)
  }

  @Test(
    "numbers: an element that overflows its dtype is refused, and nothing appears",
    arguments: [
      (DType.f16, 65_519.0, 65_520.0), (.f32, 3.4028235e38, 3.5e38), (.bf16, 3.38e38, 3.4e38),
    ])
  func overflow(_ dtype: DType, _ fitting: Double, _ large: Double) throws {
    func lora(_ value: Double) -> ScaledLoRA {
      ScaledLoRA(b: Matrix(rows: 1, columns: 2, values: [1, -value]))
    }
    try lora(fitting).write(
      to: path, as: .peft, dtype: dtype, options: WriteOptions(replacing: false))
    #expect(try Adapter(path: path).blocks[0].b.load().isFinite)
    let other = folder.file("other")
    let error = #expect(throws: AdapterError.self) {
      try lora(large).write(
        to: other, as: .peft, dtype: dtype, options: WriteOptions(replacing: false))
    }
    #expect(
      error
        == .overflow(
          source: "the merged adapter", tensor: "q.lora_B", dtype: dtype, found: large))
    #expect(
      error?.description
        == "the merged adapter: tensor 'q.lora_B': does not fit \(dtype.rawValue) (found \(large)); "
        + "write it with a wider --dtype")
    #expect(folder.entries == ["out"])
    // What was infinite before is not this function's to judge.
    try lora(.infinity).write(
      to: other, as: .peft, dtype: dtype, options: WriteOptions(replacing: false))
  }

  @Test("a folder that exists: refused, replaced, and never with other files in it")
  func existing() throws {
    let lora = TestLoRA([("q", 2, 1)])
    try lora.write(to: path, as: .peft, dtype: nil, options: WriteOptions(replacing: false))
    #expect(throws: FileError.exists(path: path)) {
      try lora.write(to: path, as: .peft, dtype: nil, options: WriteOptions(replacing: false))
    }
    try roundTrip(TestLoRA([("k", 3, 1)]))
    try folder.write(text: "mine", to: "out/notes.txt")
    #expect(throws: FileError.foreignFiles(path: path, names: ["notes.txt"])) {
      try lora.write(to: path, as: .peft, dtype: nil, options: WriteOptions(replacing: true))
    }
    #expect(folder.entries == ["out"])
  }

  @Test("the config, to the byte")
  func golden() throws {
    try TestLoRA([("l.0.q", 2, 4), ("l.1.q", 2, 4), ("l.2.q", 3, 1.25)])
      .write(to: path, as: .peft, dtype: nil, options: WriteOptions(replacing: false))
    let bytes = try ReadableFile.contents(of: "\(path)/adapter_config.json", limit: 1 << 20)
    #expect(String(decoding: bytes, as: UTF8.self) == PEFTWritingTests.goldenConfig)
  }

  private static let goldenConfig = """
    {
      "alpha_pattern": {
        "l.2.q": 3.75
      },
      "auto_mapping": null,
      "base_model_name_or_path": null,
      "bias": "none",
      "fan_in_fan_out": false,
      "inference_mode": true,
      "init_lora_weights": true,
      "layers_pattern": null,
      "layers_to_transform": null,
      "lora_alpha": 8,
      "lora_dropout": 0,
      "modules_to_save": null,
      "peft_type": "LORA",
      "r": 2,
      "rank_pattern": {
        "l.2.q": 3
      },
      "revision": null,
      "target_modules": [
        "l.0.q",
        "l.1.q",
        "l.2.q"
      ],
      "task_type": null,
      "use_dora": false,
      "use_rslora": false
    }
    """
}

/// One block of rank 2 with a given B.
private struct ScaledLoRA: PlainLoRA {
  let b: Matrix

  var blocks: [PlainBlock] {
    [
      PlainBlock(
        name: "q", rank: 2, inFeatures: 1, outFeatures: b.rows, scaling: 1, aDType: .f64,
        bDType: .f64)
    ]
  }

  func factors(of index: Int) throws -> PlainFactors {
    PlainFactors(a: Matrix(rows: 2, columns: 1, values: [1, 1]), b: b)
  }
}
