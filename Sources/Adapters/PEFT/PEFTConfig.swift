internal import ByteIO
internal import Tensors

/// The fields of PEFT's `adapter_config.json` that decide numbers, for adapters of type LORA.
struct PEFTConfig {
  static let fileName = "adapter_config.json"

  let file: SidecarFile
  /// The base model's name or path, for people: it is never opened.
  let baseModel: String?
  private let rank: Int
  private let alpha: Double
  private let usesRankStabilisation: Bool
  private let rankPattern: [(pattern: ModulePattern, value: Int)]
  private let alphaPattern: [(pattern: ModulePattern, value: Double)]

  init(path: String) throws {
    file = try SidecarFile(path: path)
    guard let type = try file.string("peft_type") else {
      throw file.failure(.missing(key: "peft_type", expected: "\"LORA\""))
    }
    guard type == "LORA" else {
      throw file.failure(
        .unsupported("peft_type \(type) is not read yet", advice: "only LORA adapters are"))
    }
    guard let rank = try file.integer("r", in: 1...(1 << 20)) else {
      throw file.failure(.missing(key: "r", expected: "a whole number from 1 on"))
    }
    guard let alpha = try file.number("lora_alpha") else {
      throw file.failure(.missing(key: "lora_alpha", expected: "a number"))
    }
    baseModel = file.object["base_model_name_or_path"]?.string.flatMap {
      $0.isEmpty || !TextRules.isBaseModel($0) ? nil : $0
    }
    self.rank = rank
    self.alpha = alpha
    usesRankStabilisation = try file.flag("use_rslora")
    rankPattern = try PEFTConfig.pattern("rank_pattern", file) { value in
      value.number?.integer.flatMap { (1...(1 << 20)).contains($0) ? $0 : nil }
    }
    alphaPattern = try PEFTConfig.pattern("alpha_pattern", file) { value in
      value.number?.double.flatMap { $0.isFinite ? $0 : nil }
    }
    try refuseUnsupported()
  }

  /// The rank the config gives a module.
  func rank(of module: TensorName) -> Int {
    rankPattern.first { $0.pattern.matches(module) }?.value ?? rank
  }

  /// `alpha / r`, or `alpha / √r` with rank stabilisation.
  func scaling(of module: TensorName) -> Double {
    let alpha = alphaPattern.first { $0.pattern.matches(module) }?.value ?? alpha
    let rank = Double(rank(of: module))
    return alpha / (usesRankStabilisation ? rank.squareRoot() : rank)
  }

  private static func pattern<Value>(
    _ key: String, _ file: SidecarFile, _ convert: (JSONValue) -> Value?
  ) throws -> [(pattern: ModulePattern, value: Value)] {
    guard let value = file.object[key], !value.isNull else { return [] }
    guard let object = value.object else {
      throw file.badValue(key, expected: "an object of module pattern to number")
    }
    return try object.members.map { text, value in
      guard let number = convert(value) else {
        throw file.failure(
          .badValue(
            key: "\(key).\(text)", found: value.serialized(), expected: "a number that makes sense")
        )
      }
      do {
        return (try ModulePattern(text), number)
      } catch {
        throw file.failure(
          .unsupported("\(key): \(error)", advice: "write it without the construct it names"))
      }
    }
  }

  /// Settings under which `W + s B A` is not what the adapter computes.
  private func refuseUnsupported() throws {
    func refuse(_ what: String, _ advice: String = "it can't be read as a plain LoRA yet") throws {
      throw file.failure(.unsupported(what, advice: advice))
    }
    if try file.flag("use_dora") { try refuse("use_dora is set") }
    if try file.flag("use_qalora") { try refuse("use_qalora is set") }
    if try file.flag("lora_bias") { try refuse("lora_bias is set") }
    if try file.flag("fan_in_fan_out") { try refuse("fan_in_fan_out is set") }
    if let bias = try file.string("bias"), bias != "none" { try refuse("bias is '\(bias)'") }
    for key in [
      "modules_to_save", "target_parameters", "trainable_token_indices", "layer_replication",
      "alora_invocation_tokens", "loftq_config", "eva_config", "corda_config", "arrow_config",
      "lora_ga_config", "kasa_config", "monteclora_config", "use_bdlora",
    ] {
      guard let value = file.object[key], !value.isNull, value != .bool(false) else { continue }
      if let list = value.array, list.isEmpty { continue }
      if let object = value.object, object.members.isEmpty { continue }
      try refuse("\(key) is set")
    }
    if let kind = file.object["init_lora_weights"]?.string,
      !["gaussian", "orthogonal", "eva"].contains(kind)
    {
      try refuse(
        "init_lora_weights is '\(kind)', which changes the base weights",
        "convert it to a plain LoRA with PEFT first (path_initial_model_for_weight_conversion)")
    }
  }
}
