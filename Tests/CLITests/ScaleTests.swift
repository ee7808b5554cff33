import ByteIO
import TestSupport
import Testing

/// Folds of models with more files than memory or disk could hold, as far as headers tell: every
/// figure against sums over what the headers were made from.
@Suite(.timeLimit(.minutes(10))) struct ScaleTests {
  private static let layers = 4
  private static let modules = (0..<layers).flatMap { layer in
    [
      ("model.layers.\(layer).self_attn.q_a_proj", [96, 256], layer),
      ("model.layers.\(layer).self_attn.o_proj", [256, 512], layer),
    ]
  }
  private static let adapted = Set(modules.map { "\($0.0).weight" })
  private static let rank = 2

  private let folder = TemporaryFolder()

  private func base(fp8: Bool = false) throws -> SparseCheckpoint {
    try SparseCheckpoint(
      SparseCheckpoint.mixture(layers: ScaleTests.layers, experts: 8, fp8: fp8), files: 5,
      in: folder.folder("base"))
  }

  /// The factors of every adapted module.
  private func factors(_ prefix: String, _ suffix: String) -> [SparseCheckpoint.Tensor] {
    ScaleTests.modules.flatMap { name, shape, _ in
      [
        .init("\(prefix)\(name).lora_A\(suffix)", "BF16", [ScaleTests.rank, shape[1]]),
        .init("\(prefix)\(name).lora_B\(suffix)", "BF16", [shape[0], ScaleTests.rank]),
      ]
    }
  }

  /// A LoRA as PEFT saves it.
  private func lora() throws {
    let path = folder.folder("lora")
    try SparseCheckpoint.write(
      factors("base_model.model.", ".weight"), "adapter_model.safetensors", in: path)
    try folder.write(
      #"{"peft_type":"LORA","r":2,"lora_alpha":4}"#.utf8, to: "lora/adapter_config.json")
  }

  /// A ResLoRA adapter whose chains run through the layers.
  private func chains() throws {
    let blocks = ScaleTests.modules.map { name, _, layer in
      let before = name.replacing("layers.\(layer)", with: "layers.\(layer - 1)")
      let link = layer == 0 ? "" : #","previous":"\#(before)""#
      return #"{"name":"\#(name)","scaling":2\#(link)}"#
    }
    let description =
      #"{"format":"reslora-adapter","version":1,"structure":"is","blocks":["#
      + "\(blocks.joined(separator: ","))]}"
    try SparseCheckpoint.write(
      factors("", ""), "chains.safetensors", in: folder.path,
      metadata: #"{"reslora":\#(JSONValue.string(description).serialized())}"#)
  }

  private func tasks(_ path: String) throws -> [(stage: String, read: Int, written: Int)] {
    let tasks = try #require(TestFiles.json(folder.file(path)).object?["tasks"]?.array)
    return try tasks.map { task in
      (
        try #require(task.object?["stage"]?.string),
        try #require(task.object?["bytes_read"]?.number?.integer),
        try #require(task.object?["bytes_written"]?.number?.integer)
      )
    }
  }

  @Test("a dry run and a plan know the sizes of everything", arguments: [false, true])
  func plain(fp8: Bool) throws {
    let base = try base(fp8: fp8)
    try lora()
    let fold = ["fold", "lora", "--into", "base", "-o", "out", "--no-provenance", "--json"]
    let report = try succeed(fold + ["--dry-run"], in: folder).json()
    func number(_ key: String) -> Int? { report[key]?.number?.integer }
    let size = base.files.reduce(0) { $0 + $1.size }
    #expect(number("tensors_changed") == ScaleTests.adapted.count)
    #expect(number("tensors_copied") == base.tensors.count - ScaleTests.adapted.count)
    #expect(number("bytes_read") == base.byteCount)
    #expect(number("bytes_planned") == size)
    #expect(number("bytes_needed") == size)
    #expect(try #require(number("bytes_free")) > 0)

    try succeed(fold + ["--plan-out", "fold.plan"], in: folder)
    let tasks = try tasks("fold.plan/plan.json")
    #expect(tasks.map(\.stage) == base.files.map { _ in "fold" } + ["finish"])
    #expect(tasks.map(\.read) == base.files.map(\.byteCount) + [0])
    #expect(tasks.map(\.written) == base.files.map(\.size) + [0])
    #expect(folder.entries == ["base", "fold.plan", "lora"])
  }

  @Test("a merge by weights reads each adapted weight once more, file by file")
  func statistics() throws {
    let base = try base()
    try chains()
    try succeed(
      [
        "fold", "chains.safetensors", "--into", "base", "-o", "out", "--method", "bw",
        "--plan-out", "fold.plan",
      ], in: folder)
    let tasks = try tasks("fold.plan/plan.json")
    #expect(tasks.prefix(5).map(\.stage) == base.files.map { _ in "statistics" })
    #expect(
      tasks.prefix(5).map(\.read)
        == base.files.map { file in
          file.tensors.filter { ScaleTests.adapted.contains($0.name) }
            .reduce(0) { $0 + $1.byteCount }
        })
    #expect(tasks[5].stage == "combine")
    #expect(tasks[6...].map(\.read) == base.files.map(\.byteCount) + [0])
  }

  /// Sixteen files of 1 TiB each, of which one has a weight that changes.
  private func beyondAnyDisk() throws -> (fold: [String], size: Int) {
    let tensors =
      [SparseCheckpoint.Tensor("x.weight", "BF16", [256, 256])]
      + (0..<16).map { .init("large.\($0)", "U8", [1 << 40]) }
    let base = try SparseCheckpoint(tensors, files: 16, in: folder.folder("base"))
    let path = folder.folder("lora")
    try SparseCheckpoint.write(
      [
        .init("base_model.model.x.lora_A.weight", "BF16", [2, 256]),
        .init("base_model.model.x.lora_B.weight", "BF16", [256, 2]),
      ], "adapter_model.safetensors", in: path)
    try folder.write(
      #"{"peft_type":"LORA","r":2,"lora_alpha":4}"#.utf8, to: "lora/adapter_config.json")
    return (
      ["fold", "lora", "--into", "base", "-o", "out", "--no-provenance"],
      base.files.reduce(0) { $0 + $1.size }
    )
  }

  @Test("without the room there is a plan all the same, and what is missing in it")
  func shortage() throws {
    let (fold, size) = try beyondAnyDisk()
    for asked in [["--dry-run"], ["--plan-out", "fold.plan"]] {
      let report = try succeed(fold + asked + ["--json"], in: folder).json()
      #expect(report["bytes_needed"]?.number?.integer == size)
      let free = try #require(report["bytes_free"]?.number?.integer)
      try #require(free < size, "a disk with room for 16 TiB")
      let again = asked == ["--dry-run"] ? asked : ["--plan-out", "again.plan"]
      let text = try succeed(fold + again, in: folder).output
      // A plan's paths are absolute.
      #expect(
        text.contains(#/\nneeds 17\.6 TB at \S*out, .* short; free some or write elsewhere\n/#))
    }
    #expect(folder.entries == ["again.plan", "base", "fold.plan", "lora"])
  }

  @Test("the fold itself is refused before it begins")
  func refused() throws {
    let (fold, size) = try beyondAnyDisk()
    let outcome = try Tool.run(fold, in: folder.path)
    #expect(outcome.status == 4)
    #expect(outcome.error.hasPrefix("error: out: not enough free disk space (found "))
    #expect(outcome.error.hasSuffix("expected \(size)); free some or write elsewhere\n"))
    #expect(folder.entries == ["base", "lora"])
  }
}
