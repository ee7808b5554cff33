import Adapters
import ByteIO
import FoldJobs
import Folding
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Folds of folders into folders (Folding §4).
@Suite struct ShardedFoldTests {
  private func json(_ bytes: [UInt8]?) throws -> JSONObject {
    let bytes = try #require(bytes)
    return try #require(try JSONValue(parsing: bytes).object)
  }

  @Test("shards keep names, order and metadata; other files go along; weights do not")
  func folder() throws {
    let made = try JobCase()
    try made.adapter()
    var request = made.request()
    request.recordsProvenance = false
    let job = try FoldJob(request, on: JobCase.machine)
    let result = try job.run(on: JobCase.machine)
    try made.expect(request.output, adds: made.deltas())
    let (old, new) = (try made.files("base"), try made.files("out"))
    #expect(Set(old.keys).subtracting(new.keys) == ["pytorch_model.bin"])
    #expect(Set(new.keys).subtracting(old.keys).isEmpty)
    #expect(
      job.notes().contains { $0.contains("other weights") && $0.contains("pytorch_model.bin") })
    for name in ["config.json", "tokenizer.json"] { #expect(old[name] == new[name]) }
    for name in old.keys where name.hasPrefix("model-") {
      let (before, after) = (
        try SafetensorsFile(path: "\(made.base)/\(name)"),
        try SafetensorsFile(path: "\(request.output)/\(name)")
      )
      #expect(before.header.text == after.header.text, "names, order and metadata")
    }
    let (before, after) = (
      try json(old["model.safetensors.index.json"]), try json(new["model.safetensors.index.json"])
    )
    #expect(
      after["metadata"]?.object?.integer("total_size")
        == before["metadata"]?.object?.integer("total_size"))
    let (map, wanted) = (
      try #require(after["weight_map"]?.object), try #require(before["weight_map"]?.object)
    )
    #expect(map.members.count == wanted.members.count)
    for (name, file) in wanted.members { #expect(map[name] == file) }
    #expect(result.files.last?.hasSuffix("tokenizer.json") == true)
    #expect(result.bytesWritten == job.byteCount)
    #expect(
      result.bytesWritten
        == new.filter { $0.key.hasPrefix("model-") }.reduce(0) { $0 + $1.value.count })
    #expect(result.resumedShards == 0)
    #expect(!made.folder.entries.contains { $0.hasPrefix(".") })
  }

  @Test("figures are those of one fold, in the order of the plan, whatever the shards")
  func figures() throws {
    let (made, one) = (try JobCase(shards: 3), try JobCase(shards: 1))
    var figures: [[TensorName: [Double]]] = []
    for made in [made, one] {
      try made.adapter()
      let result = try made.run(made.request())
      #expect(result.report.blocks.map(\.position) == Array(0..<12))
      figures.append(
        Dictionary(
          uniqueKeysWithValues: result.report.blocks.map {
            ($0.weight, [$0.deltaNorm, $0.unchangedShare, $0.realisedError])
          }))
    }
    #expect(figures[0] == figures[1])
    #expect(Set(figures[0].keys) == Set(try made.deltas().keys))
  }

  @Test("a folder of one file needs no index, and one file gives one file")
  func oneFile() throws {
    let made = try JobCase(shards: 1)
    try made.adapter()
    // As index-less folders lie on the hub.
    let single = made.folder.folder("single")
    let file = Paths.join(single, "model.safetensors")
    try FileSystem.write(
      try #require(try made.files("base")["model-00001-of-00001.safetensors"]), to: file)
    var request = made.request()
    request.base = single
    try made.run(request)
    #expect(try made.files("out").keys.sorted() == ["model.safetensors"])
    request.base = file
    request.output = made.folder.file("one.safetensors")
    try made.run(request)
    #expect(
      try FileSystem.contents(request.output) == made.files("out")["model.safetensors"])
    // The index counts, where there is one.
    request.base = made.base
    request.output = made.folder.file("indexed")
    try made.run(request)
    #expect(try made.files("indexed").keys.contains("model.safetensors.index.json"))
  }

  @Test("several adapters with weights and a scale, in the order named")
  func adapters() throws {
    let made = try JobCase()
    try made.adapter("x", seed: 1)
    try made.adapter("y", seed: 2)
    var request = made.request()
    request.adapters = [
      .init(path: made.folder.file("x"), weight: 0.7),
      .init(path: made.folder.file("y"), weight: -0.4),
    ]
    request.scale = 0.5
    let job = try FoldJob(request, on: JobCase.machine)
    #expect(job.adapters.map(\.weight) == [0.35, -0.2])
    _ = try job.run(on: JobCase.machine)
    let (x, y) = (try made.deltas("x"), try made.deltas("y"))
    try made.expect(
      request.output,
      adds: x.merging(y) { zip($0, $1).map { 0.7 * 0.5 * $0 - 0.4 * 0.5 * $1 } })
  }

  // MARK: Config

  @Test("the config's dtype follows --dtype, all else stays", arguments: [DType.f32, .f16])
  func configDType(_ dtype: DType) throws {
    let made = try JobCase()
    try made.adapter()
    var request = made.request()
    request.dtype = dtype
    try made.run(request)
    let config = try json(made.files("out")["config.json"])
    #expect(config["torch_dtype"]?.string == (dtype == .f32 ? "float32" : "float16"))
    #expect(config.members.map(\.key) == ["torch_dtype", "hidden_size", "vocab"])
    #expect(config["hidden_size"] == .integer(40))
    #expect(config["vocab"]?.array?.last?.number?.double == 2.5)
    let source = try FoldBase(path: request.output).source
    #expect(source.tensors.allSatisfy { $0.dtype == dtype || $0.dtype == .i64 })
  }

  @Test("a config that says the same already stays to the byte, and a broken one too")
  func configBytes() throws {
    for text in [#"{ "torch_dtype":"float32" }"#, "not JSON", #"{"a": 1}"#] {
      let made = try JobCase()
      try made.adapter()
      try made.folder.write(text: text, to: "base/config.json")
      var request = made.request()
      request.dtype = .f32
      try made.run(request)
      #expect(try made.files("out")["config.json"] == Array(text.utf8))
    }
  }

  @Test("scales that are multiplied in take quantization_config along")
  func quantisation() throws {
    let made = try JobCase()
    var generator = SeededGenerator(seed: 5)
    func quantised(_ layer: Int) throws -> [(TensorInfo, [UInt8])] {
      [
        (
          try TensorInfo(
            name: TensorName("layers.\(layer).q.weight"), dtype: .f8E4M3, shape: [24, 40]),
          (0..<960).map { _ in UInt8.random(in: 0...0x7e, using: &generator) }
        ),
        (
          try TensorInfo(
            name: TensorName("layers.\(layer).q.weight_scale_inv"), dtype: .f32, shape: [1, 1]),
          Conversion.bytes(from: [0.001], dtype: .f32)
        ),
      ]
    }
    // The scales of layer 1 lie in a shard of their own.
    let (zero, one) = (try quantised(0), try quantised(1))
    let base = made.folder.folder("fp8")
    for (name, tensors) in [("a", zero), ("b", [one[0]]), ("c", [one[1]])] {
      try SafetensorsWriter.write(
        MemoryTensorSource(label: name, tensors: tensors), metadata: [],
        to: Paths.join(base, "\(name).safetensors"), replacing: false)
    }
    let map =
      zero.map { "\"\($0.0.name)\": \"a.safetensors\"" } + [
        "\"layers.1.q.weight\": \"b.safetensors\"",
        "\"layers.1.q.weight_scale_inv\": \"c.safetensors\"",
      ]
    try made.folder.write(
      text: "{\"weight_map\": {\(map.joined(separator: ","))}}",
      to: "fp8/model.safetensors.index.json")
    try made.folder.write(
      text: #"{"quantization_config": {"quant_method": "fp8"}, "dtype": "bfloat16", "x": 1}"#,
      to: "fp8/config.json")
    _ = made.folder.folder("adapter")
    try made.folder.write(
      tensors: (0..<2).flatMap { TestTensor.peft("layers.\($0).q", in: 40, out: 24) },
      to: "adapter/adapter_model.safetensors")
    try made.folder.write(
      text: PEFTTestFolder.config.text, to: "adapter/adapter_config.json")
    var request = made.request()
    request.base = base
    request.recordsProvenance = false
    try made.run(request)
    let kept = try made.files("out")
    #expect(kept["config.json"] == (try made.files("fp8")["config.json"]))
    let folded = try FoldBase(path: request.output).source
    let scale = try #require(folded.index(of: "layers.1.q.weight_scale_inv"))
    #expect(try folded.float64(of: scale)[0] > 0.001, "new scales")
    // Tasks see both shards.
    var tasks = request
    tasks.output = made.folder.file("tasks")
    let job = try FoldJob(tasks, on: JobCase.machine)
    for task in job.tasks.indices.dropLast().reversed() {
      _ = try job.run(task: task, of: made.plan, on: JobCase.machine)
    }
    _ = try job.finish(of: made.plan)
    #expect(try made.files("tasks") == kept)

    request.dtype = .bf16
    request.output = made.folder.file("wide")
    try made.run(request)
    let config = try json(made.files("wide")["config.json"])
    #expect(config.members.map(\.key) == ["dtype", "x"])
    #expect(config["dtype"]?.string == "bfloat16")
    let wide = try FoldBase(path: request.output).source
    #expect(wide.tensors.allSatisfy { $0.dtype == .bf16 })
    #expect(wide.tensors.count == 2)
    #expect(try made.files("wide")["c.safetensors"] == nil, "nothing is left of it")
    let index = try json(made.files("wide")["model.safetensors.index.json"])
    #expect(index["metadata"]?.object?.integer("total_size") == 2 * 960 * 2)
  }

  // MARK: Tied embeddings

  @Test("a config that ties embeddings ties their tensors, and the notes say so")
  func ties() throws {
    let made = try JobCase()
    let shape = [24, 40]
    let values = (0..<960).map { Double($0 % 64) / 64 }
    let head = TestTensor("lm_head.weight", shape, dtype: .bf16, values: values)
    let embedding = TestTensor("model.embed_tokens.weight", shape, dtype: .bf16, values: values)
    try made.folder.write(
      tensors: TestTensor.peft("lm_head", in: 40, out: 24), to: "adapter.safetensors")
    _ = made.folder.folder("adapter")
    try made.folder.write(
      tensors: TestTensor.peft("lm_head", in: 40, out: 24),
      to: "adapter/adapter_model.safetensors")
    try made.folder.write(
      text: PEFTTestFolder.config.changed(["target_modules": #"["lm_head"]"#]).text,
      to: "adapter/adapter_config.json")
    for (number, isTied) in [true, false].enumerated() {
      let name = "tied\(number)"
      try made.write([[embedding], [head]], to: name)
      try made.folder.write(
        text: "{\"tie_word_embeddings\": \(isTied)}", to: "\(name)/config.json")
      var request = made.request("folded\(number)")
      request.base = made.folder.file(name)
      let job = try FoldJob(request, on: JobCase.machine)
      _ = try job.run(on: JobCase.machine)
      let source = try FoldBase(path: request.output).source
      let (one, other) = (
        try #require(source.index(of: head.name)), try #require(source.index(of: embedding.name))
      )
      #expect(try (source.bytes(of: one) == source.bytes(of: other)) == isTied)
      #expect(try source.bytes(of: one) != head.bytes)
      #expect(job.notes().contains { $0.contains("tied") } == isTied)
    }
  }
}
