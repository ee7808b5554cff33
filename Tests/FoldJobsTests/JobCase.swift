import Adapters
import ByteIO
import FoldJobs
import Folding
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// A base of several shards and PEFT adapters for it, in a folder of their own.
struct JobCase {
  typealias Files = [String: [UInt8]]

  let folder = TemporaryFolder()

  static let machine = FoldMachine(threads: 2)
  static let out = 24
  static let into = 40
  static let rank = 2

  /// Layers `0` and up, of which each has `q` and `v`, dealt out among shards.
  static func tensors(layers: Int, dtype: DType = .bf16) -> [TestTensor] {
    var generator = SeededGenerator(seed: 21)
    func tensor(_ name: String, _ dtype: DType, _ shape: [Int]) -> TestTensor {
      TestTensor(
        TensorName(name), shape, dtype: dtype, values: generator.values(shape.reduce(1, *)))
    }
    return (0..<layers).flatMap { layer in
      [
        tensor("layers.\(layer).q.weight", dtype, [out, into]),
        tensor("layers.\(layer).v.weight", dtype, [out, into]),
        tensor("layers.\(layer).norm.weight", .f32, [into]),
        tensor("layers.\(layer).ids", .i64, [3]),
      ]
    }
  }

  static let layers = 6
  let base: String

  /// A folder for what a plan notes.
  var plan: String { folder.folder("plan") }

  /// A base in `shards` files with an index, a config and other files.
  init(shards: Int = 3, dtype: DType = .bf16) throws {
    base = folder.folder("base")
    let tensors = JobCase.tensors(layers: JobCase.layers, dtype: dtype)
    let groups = (0..<shards).map { shard in
      tensors.enumerated().filter { $0.offset / 4 % shards == shard }.map(\.element)
    }
    try write(groups.map { $0 }, to: "base")
    try folder.write(
      text: #"{"torch_dtype": "bfloat16", "hidden_size": 40, "vocab": [1, 2.50]}"#,
      to: "base/config.json")
    try folder.write(text: "tokens", to: "base/tokenizer.json")
    try folder.write(text: "weights", to: "base/pytorch_model.bin")
  }

  /// Writes shards and their index into a folder.
  func write(_ groups: [[TestTensor]], to name: String) throws {
    _ = folder.folder(name)
    var map: [String] = []
    var size = 0
    for (number, tensors) in groups.enumerated() {
      let file = "model-0000\(number + 1)-of-0000\(groups.count).safetensors"
      try folder.write(
        tensors: tensors, metadata: [("format", "pt"), ("shard", "\(number)")],
        to: "\(name)/\(file)")
      map += tensors.map { "\"\($0.name)\": \"\(file)\"" }
      size += tensors.reduce(0) { $0 + $1.bytes.count }
    }
    try folder.write(
      text: """
        {"metadata": {"total_size": \(size)}, "weight_map": {\(map.joined(separator: ", "))}}
        """, to: "\(name)/model.safetensors.index.json")
  }

  /// Writes a PEFT adapter of every `q` and `v`; its path. The scaling is 2.
  @discardableResult
  func adapter(
    _ name: String = "adapter", seed: UInt64 = 1, magnitude: Double = 0.3,
    config changes: KeyValuePairs<String, String?> = [:], extra: [TestTensor] = []
  ) throws -> String {
    var generator = SeededGenerator(seed: seed)
    let tensors = (0..<JobCase.layers).flatMap { layer in
      ["q", "v"].flatMap { part in
        zip(["A", "B"], [[JobCase.rank, JobCase.into], [JobCase.out, JobCase.rank]]).map {
          TestTensor(
            TensorName("base_model.model.layers.\(layer).\(part).lora_\($0).weight"), $1,
            values: generator.values($1[0] * $1[1]).map { Double(Float($0 * magnitude)) })
        }
      }
    }
    _ = folder.folder(name)
    try folder.write(tensors: tensors + extra, to: "\(name)/adapter_model.safetensors")
    let config = PEFTTestFolder.config.changed(["target_modules": #"["q", "v"]"#]).changed(changes)
    try folder.write(text: config.text, to: "\(name)/adapter_config.json")
    return folder.file(name)
  }

  /// A request for the adapter of that name.
  func request(_ output: String = "out", adapter: String = "adapter") -> FoldRequest {
    FoldRequest(
      adapters: [.init(path: folder.file(adapter))], base: base, output: folder.file(output))
  }

  @discardableResult
  func run(_ request: FoldRequest, undo: String? = nil) throws -> FoldJobResult {
    try FoldJob(request, on: JobCase.machine).run(undo: undo, on: JobCase.machine)
  }

  /// All files of a folder by name.
  func files(_ name: String) throws -> Files {
    let path = folder.file(name)
    let names = try Paths.entries(of: path)
    return Dictionary(
      uniqueKeysWithValues: try names.map { ($0, try FileSystem.contents(Paths.join(path, $0))) })
  }

  /// The float64 deltas of an adapter by weight, by the plainest of loops.
  func deltas(_ name: String = "adapter", scaling: Double = 2) throws -> [TensorName: [Double]] {
    let file = try SafetensorsFile(path: folder.file("\(name)/adapter_model.safetensors"))
    var deltas: [TensorName: [Double]] = [:]
    for (index, info) in file.tensors.enumerated() where info.name.string.hasSuffix("A.weight") {
      let module = info.name.string.dropFirst("base_model.model.".count)
        .dropLast(".lora_A.weight".count)
      let b = try #require(
        file.index(of: TensorName("base_model.model.\(module).lora_B.weight")))
      let (left, right) = (try file.float64(of: b), try file.float64(of: index))
      let (rank, columns) = (info.shape[0], info.shape[1])
      deltas[TensorName("\(module).weight")] =
        (0..<(file.tensors[b].shape[0] * columns)).map { place in
          scaling
            * (0..<rank).reduce(0) {
              $0 + left[place / columns * rank + $1] * right[$1 * columns + place % columns]
            }
        }
    }
    return deltas
  }

  /// Whether a checkpoint is the base with deltas added and rounded once, all else to the byte.
  func expect(
    _ output: String, adds deltas: [TensorName: [Double]],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let (old, new) = (try FoldBase(path: base).source, try FoldBase(path: output).source)
    #expect(
      old.tensors.map(\.name).sorted() == new.tensors.map(\.name).sorted(),
      sourceLocation: sourceLocation)
    for (index, info) in old.tensors.enumerated() {
      let other = try #require(new.index(of: info.name), sourceLocation: sourceLocation)
      #expect(new.tensors[other] == info, sourceLocation: sourceLocation)
      guard let delta = deltas[info.name] else {
        #expect(
          try old.bytes(of: index) == new.bytes(of: other), "\(info.name)",
          sourceLocation: sourceLocation)
        continue
      }
      let (before, after) = (try old.float64(of: index), try new.float64(of: other))
      let unit = info.dtype == .bf16 ? 0x1p-8 : info.dtype == .f16 ? 0x1p-11 : 0x1p-24
      let isFine = before.indices.allSatisfy { place in
        let sum = before[place] + delta[place]
        return abs(after[place] - sum) <= 1.001 * unit * abs(sum) + 0x1p-20
      }
      #expect(isFine, "\(info.name)", sourceLocation: sourceLocation)
      #expect(before != after, "\(info.name)", sourceLocation: sourceLocation)
    }
  }
}
