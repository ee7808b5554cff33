internal import ByteIO
internal import ResLoRAContainer
internal import Safetensors
internal import Tensors

/// A folder that PEFT loads (Merging §5.3): `adapter_model.safetensors` and `adapter_config.json`,
/// which appear together or not at all.
extension PEFTFolder: WritableAdapterFormat {
  static let identifier = "peft"
  static let fileExtensions: [String] = []

  private static let tensorFileName = "adapter_model.safetensors"

  static func checkOutput(at path: String, replacing: Bool) throws {
    try OutputFolder.check(
      path: path, names: [PEFTConfig.fileName, tensorFileName], replacing: replacing)
  }

  static func check(_ file: AdapterFileContent, for path: String) throws {
    try file.requirePlain(name)
    _ = try renamed(file)
  }

  static func losses(of file: AdapterFileContent) -> [String] {
    file.lossesBesideFactors.map(loss)
  }

  static func write(_ file: AdapterFileContent, to path: String, _ options: WriteOptions) throws {
    let folder = try OutputFolder(
      path: path, names: [PEFTConfig.fileName, tensorFileName], replacing: options.replacing)
    try SafetensorsWriter.write(
      renamed(file), metadata: [("format", "pt")], to: folder.path(of: tensorFileName),
      replacing: false, progress: options.progress)
    let config = PEFTConfigText(file).json.serialized(indented: true)
    try OutputFile.write(
      Array(config.utf8), to: folder.path(of: PEFTConfig.fileName), replacing: false)
    try folder.commit()
  }

  /// The tensors under PEFT's names; its prefix makes `x` of `base_model.model.x` too, so two may
  /// become one, which is refused.
  private static func renamed(_ file: AdapterFileContent) throws -> RenamedTensors {
    var modules: Set<TensorName> = []
    for block in file.content.blocks where !modules.insert(PEFTKeys.module(of: block.name)).inserted
    {
      throw AdapterError.duplicateBlock(block.name)
    }
    return try RenamedTensors(
      label: file.tensors.label,
      file.content.blocks.enumerated().flatMap { position, block in
        [
          (
            PEFTKeys.a(of: block.name), TensorReference(source: file.tensors, index: 2 * position)
          ),
          (
            PEFTKeys.b(of: block.name),
            TensorReference(source: file.tensors, index: 2 * position + 1)
          ),
        ]
      })
  }
}

/// The `adapter_config.json` of a plain LoRA.
struct PEFTConfigText {
  let rank: Int
  let alpha: Double
  private(set) var rankPattern: [(key: String, value: Int)] = []
  private(set) var alphaPattern: [(key: String, value: Double)] = []
  private let names: [TensorName]
  private let baseModel: String?

  init(_ file: AdapterFileContent) {
    self.init(
      zip(file.content.blocks, 0...).map { block, position in
        let (a, b) = (file.tensors.tensors[2 * position], file.tensors.tensors[2 * position + 1])
        return PlainBlock(
          name: block.name, rank: a.shape[0], inFeatures: a.shape[1], outFeatures: b.shape[0],
          scaling: block.scaling, aDType: a.dtype, bDType: b.dtype)
      }, baseModel: file.content.baseModel)
  }

  init(_ blocks: [PlainBlock], baseModel: String? = nil) {
    self.baseModel = baseModel
    names = blocks.map { PEFTKeys.module(of: $0.name) }
    rank = PEFTConfigText.mostCommon(blocks.map(\.rank))
    alpha = PEFTConfigText.mostCommon(blocks.map(PEFTConfigText.alpha))
    rankPattern = PEFTConfigText.pattern(blocks, default: rank, value: \.rank)
    alphaPattern = PEFTConfigText.pattern(blocks, default: alpha, value: PEFTConfigText.alpha)
  }

  var json: JSONValue {
    func object<Value>(
      _ pattern: [(key: String, value: Value)], _ convert: (Value) -> JSONValue
    ) -> JSONValue {
      var object = JSONObject()
      for (key, value) in pattern { _ = object.append(key, convert(value)) }
      return .object(object)
    }
    return .members([
      "alpha_pattern": object(alphaPattern, PEFTConfigText.number),
      "auto_mapping": .null,
      "base_model_name_or_path": baseModel.map(JSONValue.string) ?? .null,
      "bias": .string("none"),
      "fan_in_fan_out": .bool(false),
      "inference_mode": .bool(true),
      "init_lora_weights": .bool(true),
      "layers_pattern": .null,
      "layers_to_transform": .null,
      "lora_alpha": PEFTConfigText.number(alpha),
      "lora_dropout": .double(0),
      "modules_to_save": .null,
      "peft_type": .string("LORA"),
      "r": .integer(rank),
      "rank_pattern": object(rankPattern, JSONValue.integer),
      "revision": .null,
      "target_modules": .array(names.map { .string($0.string) }),
      "task_type": .null,
      "use_dora": .bool(false),
      "use_rslora": .bool(false),
    ])
  }

  /// `scaling · rank`, rounded such that dividing it by the rank gives the scaling, if any number
  /// does; a whole one, 6 and not 6.000000000000001, if that does.
  static func alpha(scaling: Double, rank: Int) -> Double {
    let product = scaling * Double(rank)
    return [product.rounded(), product, product.nextDown, product.nextUp]
      .first { $0 / Double(rank) == scaling } ?? product
  }

  private static func alpha(_ block: PlainBlock) -> Double {
    alpha(scaling: block.scaling, rank: block.rank)
  }

  /// A whole number without a fraction, as PEFT writes it.
  private static func number(_ value: Double) -> JSONValue {
    value == value.rounded() && abs(value) < 1e15 ? .integer(Int(value)) : .double(value)
  }

  /// The value that occurs most often, the earliest of several.
  static func mostCommon<Value: Hashable>(_ values: [Value]) -> Value {
    var counts: [Value: Int] = [:]
    for value in values { counts[value, default: 0] += 1 }
    let most = counts.values.max() ?? 0
    guard let value = values.first(where: { counts[$0] == most }) else {
      preconditionFailure("an adapter has blocks")
    }
    return value
  }

  /// Keys for the blocks that differ from the default, such that every block finds its own value
  /// by PEFT's rule: the first key that matches counts.
  private static func pattern<Value: Equatable>(
    _ blocks: [PlainBlock], default common: Value, value: (PlainBlock) -> Value
  ) -> [(key: String, value: Value)] {
    let differing = blocks.filter { value($0) != common }
    func resolves(_ entries: [(key: String, value: Value)]) -> Bool {
      let compiled = entries.compactMap { entry in
        (try? ModulePattern(entry.key)).map { ($0, entry.value) }
      }
      return compiled.count == entries.count
        && blocks.allSatisfy { block in
          let module = PEFTKeys.module(of: block.name)
          return (compiled.first { $0.0.matches(module) }?.1 ?? common) == value(block)
        }
    }
    let plain = differing.map { block in
      (key: ModulePattern.literal(PEFTKeys.module(of: block.name)), value: value(block))
    }
    if resolves(plain) { return plain }
    // One block's name ends another's: anchor the keys, which leaves no room for a prefix.
    return plain.map { ("^" + $0.key.replacingDots, $0.value) }
  }
}

extension String {
  /// Dots escaped too, so that the key matches nothing but its own name.
  fileprivate var replacingDots: String {
    unicodeScalars.reduce(into: "") { text, scalar in
      if scalar == "." { text += "\\" }
      text.unicodeScalars.append(scalar)
    }
  }
}
