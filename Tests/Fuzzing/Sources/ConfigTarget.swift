@testable import Adapters
import ByteIO
import Safetensors
import Tensors

/// `adapter_config.json` of PEFT, beside tensors that fit its kind.
enum ConfigTarget: FuzzTarget {
  static let name = "adapter-config"

  private static let modules = ["model.layers.0.q_proj", "model.layers.1.q_proj", "model.v_proj"]

  private static func folder(_ name: String, _ tensors: [(String, [Int])]) -> String {
    let path = Scratch.makeFolder(name)
    Scratch.write(
      tensors: modules.flatMap { module in
        tensors.map { ("base_model.model.\(module).\($0)", $1) }
      }, to: "\(name)/adapter_model.safetensors")
    return path
  }

  private static let folders: [PEFTConfig.Kind: String] = [
    .lora: folder("lora", [("lora_A.weight", [2, 3]), ("lora_B.weight", [4, 2])]),
    .adaLoRA: folder(
      "adalora", [("lora_A", [2, 3]), ("lora_B", [4, 2]), ("lora_E", [2, 1])]),
    .loHa: folder(
      "loha",
      [
        ("hada_w1_a", [4, 2]), ("hada_w1_b", [2, 3]), ("hada_w2_a", [4, 2]), ("hada_w2_b", [2, 3]),
      ]),
    .loKr: folder("lokr", [("lokr_w1", [2, 1]), ("lokr_w2", [2, 3])]),
  ]

  static func run(_ input: [UInt8]) throws {
    let path = Scratch.write(input, to: "adapter_config.json")
    guard let config = try accepted(SidecarError.self, body: { try PEFTConfig(path: path) })
    else { return }
    for module in modules + ["", "é\u{301}.q_proj", "a\nb.q_proj"] {
      require(config.rank(of: TensorName(module)) >= 0, "a negative rank")
      _ = config.scaling(of: TensorName(module))
    }
    guard let folder = folders[config.kind] else { return }
    Scratch.write(input, to: folder.dropFirst(Scratch.folder.count + 1) + "/adapter_config.json")
    if let updates = try read({ try AdapterUpdates(path: folder) }) ?? nil {
      require(!updates.updates.isEmpty, "no updates")
      updates.notes.forEach(requireLine)
    }
    if let adapter = try read({ try Adapter(path: folder) }) { try roundTrip(adapter) }
  }

  private static func read<Result>(_ body: () throws -> Result) throws -> Result? {
    try accepted(SidecarError.self, AdapterError.self, ContentError.self, body: body)
  }

  private static func roundTrip(_ adapter: Adapter) throws {
    let path = Scratch.path("written-peft")
    adapter.notes.forEach(requireLine)
    try adapter.write(to: path, as: .peft, options: WriteOptions(replacing: true))
    let again = try Adapter(path: path)
    require(again.provenance.baseModel == adapter.provenance.baseModel, "another base model")
    require(again.blocks.map(\.name) == adapter.blocks.map(\.name), "other blocks")
    for (one, other) in zip(adapter.blocks, again.blocks) {
      require(
        abs(one.scaling - other.scaling) <= one.scaling.ulp,
        "another scaling after writing: \(one.scaling) and \(other.scaling)")
    }
  }
}
