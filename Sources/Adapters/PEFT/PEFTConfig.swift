internal import ByteIO
internal import Tensors

/// The fields of PEFT's `adapter_config.json` that decide numbers (Updates §2.2).
struct PEFTConfig {
  static let fileName = "adapter_config.json"

  /// The kinds of adapter that are read.
  enum Kind: String, CaseIterable {
    case lora = "LORA"
    case adaLoRA = "ADALORA"
    case loHa = "LOHA"
    case loKr = "LOKR"
  }

  let file: SidecarFile
  let kind: Kind
  /// The base model's name or path, for people: it is never opened.
  let baseModel: String?
  /// Whether every module has a magnitude (DoRA).
  let usesMagnitudes: Bool
  /// Whether layers store their weight transposed, as far as the config knows.
  let storesTransposed: Bool
  /// Whether B has a bias that adds to the layer's.
  let hasLoRABias: Bool
  /// Which biases of the base were trained.
  let bias: Bias
  /// Modules that were trained as a whole, by the ends of their names.
  let savedModules: [String]
  /// Parameters that were adapted instead of modules, by the ends of their names.
  let targetParameters: [String]

  private let rank: Int
  private let alpha: Double
  private let usesRankStabilisation: Bool
  private let rankPattern: [(pattern: ModulePattern, value: Int)]
  private let alphaPattern: [(pattern: ModulePattern, value: Double)]
  /// AdaLoRA's ranks that are left, by module.
  private let remainingRanks: [TensorName: Int]

  /// Which biases of the base were trained.
  enum Bias: String, CaseIterable {
    case none
    case all
    case loraOnly = "lora_only"
  }

  /// - Throws: `SidecarError` for what is missing, malformed or not computed truthfully.
  init(path: String) throws {
    file = try SidecarFile(path: path)
    kind = try PEFTConfig.kind(file)
    let rankKey = kind == .adaLoRA ? "init_r" : "r"
    guard let rank = try file.integer(rankKey, in: 1...(1 << 20)) else {
      throw file.failure(.missing(key: rankKey, expected: "a whole number from 1 on"))
    }
    let alphaKey = kind == .lora || kind == .adaLoRA ? "lora_alpha" : "alpha"
    guard let alpha = try file.number(alphaKey) else {
      throw file.failure(.missing(key: alphaKey, expected: "a number"))
    }
    baseModel = file.object["base_model_name_or_path"]?.string.flatMap {
      $0.isEmpty || !TextRules.isBaseModel($0) ? nil : $0
    }
    self.rank = rank
    self.alpha = alpha
    usesRankStabilisation = try file.flag("use_rslora")
    usesMagnitudes = try file.flag("use_dora")
    storesTransposed = try file.flag("fan_in_fan_out")
    hasLoRABias = try file.flag("lora_bias")
    bias = try file.word("bias", as: Bias.self) ?? .none
    savedModules = try file.strings("modules_to_save")
    targetParameters = try file.strings("target_parameters")
    if kind == .adaLoRA {
      remainingRanks = try PEFTConfig.remainingRanks(file)
      rankPattern = []
      alphaPattern = []
    } else {
      remainingRanks = [:]
      rankPattern = try PEFTConfig.pattern("rank_pattern", file) { value in
        value.number?.integer.flatMap { (1...(1 << 20)).contains($0) ? $0 : nil }
      }
      alphaPattern = try PEFTConfig.pattern("alpha_pattern", file) { value in
        value.number?.double.flatMap { $0.isFinite ? $0 : nil }
      }
    }
    try refuseUnsupported()
  }

  /// The rank the config gives a module; of AdaLoRA what is left of it.
  func rank(of module: TensorName) -> Int {
    if kind == .adaLoRA { return remainingRanks[module] ?? rank }
    return rankPattern.first { $0.pattern.matches(module) }?.value ?? rank
  }

  /// What multiplies a module's delta: `alpha / r`, `alpha / √r` with rank stabilisation, and
  /// `alpha / (init_r + 1e-5)` of AdaLoRA, whatever rank is left.
  func scaling(of module: TensorName) -> Double {
    if kind == .adaLoRA {
      return (alpha > 0 ? alpha : Double(rank(of: module))) / (Double(rank) + 1e-5)
    }
    let alpha = alphaPattern.first { $0.pattern.matches(module) }?.value ?? alpha
    let rank = Double(rank(of: module))
    let root = usesRankStabilisation && kind == .lora
    return alpha / (root ? rank.squareRoot() : rank)
  }

  /// The config's key for a rank.
  var rankKey: String { kind == .adaLoRA ? "init_r" : "r" }

  /// The kind in words: "LoRA", "rsLoRA", "DoRA", "AdaLoRA".
  var kindName: String {
    switch kind {
    case .lora: usesMagnitudes ? "DoRA" : usesRankStabilisation ? "rsLoRA" : "LoRA"
    case .adaLoRA: "AdaLoRA"
    case .loHa: "LoHa"
    case .loKr: "LoKr"
    }
  }
}
