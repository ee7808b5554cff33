import Adapters
import ByteIO
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Folders of mlx_lm (Updates §7).
@Suite struct MLXTests {
  @Test("a plain LoRA as blocks, its factors transposed to the bit")
  func plain() throws {
    var tensors = TestTensors()
    tensors.add("model.layers.0.q.lora_a", [5, 2])
    tensors.add("model.layers.0.q.lora_b", [2, 3])
    let folder = try MLXTestFolder(tensors.all, MLXTestFolder.config())
    let adapter = try Adapter(path: folder.folder.path)
    #expect(adapter.format == "MLX folder")
    #expect(adapter.names == ["model.layers.0.q"])
    #expect(adapter.provenance.baseModel == "org/model")
    let block = adapter.blocks[0]
    #expect((block.rank, block.inFeatures, block.outFeatures) == (2, 5, 3))
    #expect(block.scaling == 3)
    let a = tensors["model.layers.0.q.lora_a"]
    #expect(try block.a.load().values == transposed(a, rows: 5, columns: 2))
    let b = tensors["model.layers.0.q.lora_b"]
    #expect(try block.b.load().values == transposed(b, rows: 2, columns: 3))
  }

  @Test("layers and embeddings: W + s (A B)ᵀ and W + s A B")
  func updates() throws {
    var tensors = TestTensors()
    for (module, shapes) in [
      ("l.0.q", ([5, 2], [2, 3])), ("embed_tokens", ([7, 2], [2, 4])), ("odd", ([6, 2], [2, 8])),
    ] {
      tensors.add(TensorName("\(module).lora_a"), shapes.0)
      tensors.add(TensorName("\(module).lora_b"), shapes.1)
    }
    var base = TestTensors()
    base.add("l.0.q.weight", [3, 5])
    base.add("embed_tokens.weight", [7, 4])
    // An embedding that its name does not show.
    base.add("odd.weight", [6, 8])
    let folder = try MLXTestFolder(tensors.all, MLXTestFolder.config())
    let adapter = try #require(try folder.updates())
    #expect(!adapter.isPlain)
    #expect(adapter.baseModel == "org/model")
    let found = try AppliedUpdates.apply(adapter, to: MemoryTensorSource(base.all))
    func delta(_ module: String, _ rows: Int, _ columns: Int) -> [Double] {
      product(
        tensors[TensorName("\(module).lora_a")], tensors[TensorName("\(module).lora_b")],
        rows: rows, inner: 2, columns: columns)
    }
    #expect(
      agree(
        found["l.0.q.weight"],
        sum(base["l.0.q.weight"], transposed(delta("l.0.q", 5, 3), rows: 5, columns: 3), times: 3)))
    for (module, rows, columns) in [("embed_tokens", 7, 4), ("odd", 6, 8)] {
      let name = TensorName("\(module).weight")
      #expect(agree(found[name], sum(base[name], delta(module, rows, columns), times: 3)))
    }
  }

  @Test("DoRA: rows scaled to the magnitudes")
  func dora() throws {
    var tensors = TestTensors()
    tensors.add("q.lora_a", [5, 2])
    tensors.add("q.lora_b", [2, 3])
    tensors.add("q.m", [3], values: [1, 2, 3])
    var base = TestTensors()
    base.add("q.weight", [3, 5])
    let folder = try MLXTestFolder(tensors.all, MLXTestFolder.config("dora"))
    let found = try AppliedUpdates.apply(
      try #require(try folder.updates()), to: MemoryTensorSource(base.all))
    let delta = product(tensors["q.lora_a"], tensors["q.lora_b"], rows: 5, inner: 2, columns: 3)
    let sum = sum(base["q.weight"], transposed(delta, rows: 5, columns: 3), times: 3)
    let expected = (0..<3).flatMap { row -> [Double] in
      let values = sum[(row * 5)..<(row * 5 + 5)]
      let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return values.map { $0 * Double(row + 1) / norm }
    }
    #expect(agree(found["q.weight"], expected))
  }

  @Test("stacked experts, A with three extents and with two", arguments: [[3, 2, 5], [6, 5]])
  func experts(_ shape: [Int]) throws {
    var tensors = TestTensors()
    tensors.add("x.lora_a", shape)
    tensors.add("x.lora_b", [3, 4, 2])
    var base = TestTensors()
    base.add("x.weight", [3, 4, 5])
    let folder = try MLXTestFolder(tensors.all, MLXTestFolder.config())
    let found = try AppliedUpdates.apply(
      try #require(try folder.updates()), to: MemoryTensorSource(base.all))
    let expected = (0..<3).flatMap { expert in
      product(
        Array(tensors["x.lora_b"][(expert * 8)..<(expert * 8 + 8)]),
        Array(tensors["x.lora_a"][(expert * 10)..<(expert * 10 + 10)]), rows: 4, inner: 2,
        columns: 5)
    }
    #expect(agree(found["x.weight"], sum(base["x.weight"], expected, times: 3)))
  }

  @Test("whole weights")
  func full() throws {
    var tensors = TestTensors()
    tensors.add("model.l.weight", [2, 3])
    var base = TestTensors()
    base.add("l.weight", [2, 3])
    let folder = try MLXTestFolder(tensors.all, #"{"fine_tune_type": "full", "num_layers": 1}"#)
    let found = try AppliedUpdates.apply(
      try #require(try folder.updates()), to: MemoryTensorSource(base.all))
    #expect(found["l.weight"] == tensors["model.l.weight"])
  }

  @Test("what is no plain LoRA is named, what is missing or foreign too")
  func refusals() throws {
    var dora = TestTensors()
    dora.add("q.lora_a", [5, 2])
    dora.add("q.lora_b", [2, 3])
    let folder = try MLXTestFolder(dora.all, MLXTestFolder.config("dora"))
    let path = folder.folder.path
    #expect(throws: AdapterError.foldOnly(source: path, kind: "a DoRA", module: "q")) {
      try Adapter(path: path)
    }
    let tensorPath = folder.folder.file("adapters.safetensors")
    #expect(
      throws: AdapterError.missingTensor(
        source: tensorPath, block: "q", expected: "m, as fine_tune_type is 'dora'")
    ) { try folder.updates() }
    dora.add("other", [1])
    let other = try MLXTestFolder(dora.all, MLXTestFolder.config())
    let error = #expect(throws: SidecarError.self) { try other.updates() }
    #expect(error?.reason == .unexpectedTensors(["other"]))
    let wrongRank = try MLXTestFolder(
      Array(dora.all.prefix(2)), MLXTestFolder.config(rank: 3))
    #expect(throws: AdapterError.self) { try wrongRank.updates() }
    let noScale = try MLXTestFolder(
      Array(dora.all.prefix(2)), #"{"fine_tune_type": "lora", "lora_parameters": {"rank": 2}}"#)
    let missing = #expect(throws: SidecarError.self) { try noScale.updates() }
    #expect(
      missing?.reason == .missing(key: "lora_parameters.scale", expected: "a number"))
  }

  @Test("written and read again: the same deltas, ranks padded and scalings in B")
  func written() throws {
    let lora = TestLoRA([
      ("model.layers.0.self_attn.q", 2, 0.5), ("model.layers.1.self_attn.q", 3, 0.5),
      ("lm_head", 1, 2),
    ])
    let folder = TemporaryFolder()
    let format = try #require(AdapterOutputFormat(identifier: "mlx"))
    let content = try AdapterFileContent(lora)
    #expect(
      format.losses(of: content) == [
        "ranks: 2 smaller than 3 are padded with zeros, an MLX folder has one for all",
        "scalings: 1 other than 0.5 are multiplied into B, an MLX folder has one for all",
      ])
    try format.write(content, to: folder.file("out"))
    let config = try TestFiles.json(folder.file("out/adapter_config.json")).object
    #expect(config?["fine_tune_type"]?.string == "lora")
    #expect(config?["num_layers"]?.number?.integer == -1)
    let parameters = config?["lora_parameters"]?.object
    #expect(parameters?["keys"]?.array?.compactMap(\.string) == ["lm_head", "self_attn.q"])
    #expect(parameters?["rank"]?.number?.integer == 3)
    #expect(parameters?["scale"]?.number?.double == 0.5)
    let read = try Adapter(path: folder.file("out"))
    #expect(read.names == ["lm_head", "model.layers.0.self_attn.q", "model.layers.1.self_attn.q"])
    for block in read.blocks {
      let position = try #require(lora.blocks.firstIndex { $0.name == block.name })
      #expect((block.rank, block.scaling) == (3, 0.5))
      let found = try block.b.load().scaled(by: 0.5).times(block.a.load())
      let factors = lora.all[position]
      let expected = factors.b.scaled(by: lora.blocks[position].scaling).times(factors.a)
      #expect(found == expected)
    }
    let stored = try SafetensorsFile(path: folder.file("out/adapters.safetensors"))
    #expect(
      stored.tensors.map(\.shape).sorted { $0[0] < $1[0] } == [
        [3, 3], [3, 3], [3, 3], [5, 3], [5, 3], [5, 3],
      ])
  }

  @Test("links are refused")
  func links() throws {
    let adapter = try PublishedFolder(modules: ["l.0.q", "l.1.q"]).open()
    for identifier in ["mlx", "kohya"] {
      let format = try #require(AdapterOutputFormat(identifier: identifier))
      #expect(
        throws: AdapterError.notPlain(format: format.name, structure: .inputShortcut)
      ) { try format.check(AdapterFileContent(adapter), for: "out") }
    }
  }
}
