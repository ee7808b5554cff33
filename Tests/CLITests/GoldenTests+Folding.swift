import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

/// `fold` into folders, of several adapters, by plans, in place and back.
extension GoldenTests {
  /// `model/`: the base in two shards with an index, a config and weights of another kind.
  @Sendable private static func shards(_ folder: TemporaryFolder) throws {
    let base = try SafetensorsFile(path: folder.file("base.safetensors"))
    let model = folder.folder("model")
    let count = base.tensors.count
    var map: [String] = []
    for (number, range) in [0..<(count / 2), (count / 2)..<count].enumerated() {
      let name = "model-0000\(number + 1)-of-00002.safetensors"
      try SafetensorsWriter.write(
        MemoryTensorSource(
          label: name, tensors: try range.map { (base.tensors[$0], try base.bytes(of: $0)) }),
        metadata: [("format", "pt")], to: Paths.join(model, name), replacing: false)
      map += range.map { "\"\(base.tensors[$0].name)\": \"\(name)\"" }
    }
    try folder.write(
      "{\"metadata\": {}, \"weight_map\": {\(map.joined(separator: ", "))}}".utf8,
      to: "model/model.safetensors.index.json")
    try folder.write(#"{"torch_dtype": "float32"}"#.utf8, to: "model/config.json")
    try folder.write("weights".utf8, to: "model/pytorch_model.bin")
  }

  private static let sharded = ["fold", "adapter", "--method", "bw", "--into", "model"]

  /// `fold.plan`, of which the tasks before `task` are done.
  private static func planned(
    tasks: Int
  ) -> @Sendable (TemporaryFolder) throws -> Void {
    { folder in
      try shards(folder)
      try succeed(sharded + ["--plan-out", "fold.plan"], in: folder)
      for task in 0..<tasks {
        try succeed(["plan", "run", "fold.plan", "--task", "\(task)"], in: folder)
      }
    }
  }

  private static let several = [
    "fold", "--adapter", "adapter=0.7", "--adapter", "adapter=-0.5", "--scale", "0.5", "--into",
    "base.safetensors",
  ]

  static let foldCases: [Case] = [
    Case(
      name: "fold-shards-dry-run-json", fixture: "synthetic/is-basic",
      arguments: sharded + ["--dry-run", "--json", "--threads", "2"], prepare: shards),
    Case(
      name: "fold-shards-json", fixture: "synthetic/is-basic",
      arguments: sharded + ["--json", "--threads", "2", "--no-provenance"],
      files: [
        "model-folded/model.safetensors.index.json", "model-folded/config.json",
        "model-folded/model-00001-of-00002.safetensors",
        "model-folded/model-00002-of-00002.safetensors",
      ], prepare: shards),
    Case(
      name: "fold-reshard", fixture: "synthetic/is-basic",
      arguments: sharded + ["--max-shard-size", "2KB", "--dtype", "bf16"],
      files: ["model-folded/config.json"], prepare: shards),
    Case(name: "fold-several", fixture: "synthetic/plain", arguments: several),
    Case(
      name: "fold-several-json", fixture: "synthetic/plain",
      arguments: several + ["--dry-run", "--json", "--threads", "2"]),
    Case(
      name: "fold-plan-out", fixture: "synthetic/is-basic",
      arguments: sharded + ["--plan-out", "fold.plan"], prepare: shards),
    Case(
      name: "plan-run", fixture: "synthetic/is-basic",
      arguments: ["plan", "run", "fold.plan", "--task", "2"], prepare: planned(tasks: 2)),
    Case(
      name: "plan-run-again-json", fixture: "synthetic/is-basic",
      arguments: ["plan", "run", "fold.plan", "--task", "1", "--json"],
      prepare: planned(tasks: 2)),
    Case(
      name: "plan-finish", fixture: "synthetic/is-basic",
      arguments: ["plan", "run", "fold.plan", "--stage", "finish"],
      prepare: planned(tasks: 5)),
    Case(
      name: "plan-finish-early", fixture: "synthetic/is-basic",
      arguments: ["plan", "run", "fold.plan", "--stage", "finish"],
      prepare: planned(tasks: 4)),
    Case(
      name: "plan-status", fixture: "synthetic/is-basic",
      arguments: ["plan", "status", "fold.plan"], prepare: planned(tasks: 2)),
    Case(
      name: "fold-slurm", fixture: "synthetic/is-basic",
      arguments: sharded + [
        "--engine", "slurm", "--engine-dry-run", "--partition", "long", "--time", "1:00:00",
        "--tasks-per-job", "2", "--sbatch-option=--mem=4G", "--threads", "8", "--max-header", "1GB",
      ], prepare: shards),
    Case(
      name: "fold-in-place", fixture: "synthetic/is-basic",
      arguments: sharded + ["--in-place", "--undo", "undo"], prepare: shards),
    Case(
      name: "fold-undo-from", fixture: "synthetic/is-basic",
      arguments: ["fold", "--undo-from", "undo", "--into", "model-folded", "-o", "back"]
    ) { folder in
      try shards(folder)
      try succeed(sharded + ["--undo", "undo"], in: folder)
    },
    Case(
      name: "fold-undo-from-json", fixture: "synthetic/is-basic",
      arguments: [
        "fold", "--undo-from", "undo", "--into", "base-folded.safetensors", "-o",
        "back.safetensors", "--json", "--dry-run",
      ]
    ) { folder in
      try succeed(
        ["fold", "adapter", "--into", "base.safetensors", "--undo", "undo"], in: folder)
    },
  ]
}
