internal import ByteIO
internal import Tensors

extension PEFTConfig {
  static func kind(_ file: SidecarFile) throws -> Kind {
    let known = Kind.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
    guard let type = try file.string("peft_type") else {
      throw file.failure(.missing(key: "peft_type", expected: "one of \(known)"))
    }
    guard let kind = Kind(rawValue: type) else {
      throw file.failure(
        .unsupported(
          "peft_type \(type) is not read",
          advice: "\(Kind.allCases.map(\.rawValue).joined(separator: ", ")) are"))
    }
    return kind
  }

  static func pattern<Value>(
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

  /// AdaLoRA's `rank_pattern`: for each `M.lora_E` which of its ranks are left.
  static func remainingRanks(_ file: SidecarFile) throws -> [TensorName: Int] {
    let key = "rank_pattern"
    guard let value = file.object[key], !value.isNull else { return [:] }
    guard let object = value.object else {
      throw file.badValue(key, expected: "an object of names to lists of true and false")
    }
    var ranks: [TensorName: Int] = [:]
    for (name, value) in object.members {
      guard name.hasSuffix(".lora_E"), let mask = value.array,
        mask.allSatisfy({ $0.bool != nil })
      else {
        throw file.failure(
          .badValue(
            key: "\(key).\(name)", found: String(value.serialized().prefix(60)),
            expected: "a list of true and false under a name that ends in .lora_E"))
      }
      let module = PEFTKeys.module(of: TensorName(String(name.dropLast(".lora_E".count))))
      ranks[module] = mask.count { $0.bool == true }
    }
    return ranks
  }

  /// Settings under which what the tensors say is not what the adapter computes (Updates §5).
  func refuseUnsupported() throws {
    func refuse(_ what: String, _ advice: String) throws {
      throw file.failure(.unsupported(what, advice: advice))
    }
    let others = [
      "use_qalora": "its A works on pooled inputs, which no change of a weight computes",
      "trainable_token_indices": "it replaces single rows, which is not read yet",
      "layer_replication": "the base has no tensors for the replicated layers",
      "alora_invocation_tokens": "an aLoRA acts on some tokens only, which no weight does",
      "loftq_config": "a LoftQ adapter belongs to the quantised base it was made with",
      "corda_config": PEFTConfig.conversionAdvice,
      "lora_ga_config": PEFTConfig.conversionAdvice,
      "arrow_config": "it chooses among adapters by the input, which no weight does",
      "kasa_config": "it changes the base weights by what is not saved",
      "monteclora_config": "what it computes is random",
      "use_bdlora": "its factors are block-diagonal",
    ]
    for (key, advice) in others.sorted(by: { $0.key < $1.key }) {
      guard let value = file.object[key], !value.isNull, value != .bool(false) else { continue }
      if let list = value.array, list.isEmpty { continue }
      if let object = value.object, object.members.isEmpty { continue }
      try refuse("\(key) is set", advice)
    }
    if hasLoRABias, usesMagnitudes {
      try refuse("lora_bias and use_dora are both set", "PEFT has no such adapter")
    }
    if hasLoRABias, bias != .none {
      try refuse(
        "lora_bias is set and bias is '\(bias.rawValue)'", "both would change the same tensor")
    }
    if !targetParameters.isEmpty, usesMagnitudes || storesTransposed || hasLoRABias {
      try refuse(
        "target_parameters is set beside use_dora, fan_in_fan_out or lora_bias",
        "PEFT has no such adapter")
    }
    if let kind = file.object["init_lora_weights"]?.string,
      !["gaussian", "orthogonal", "eva"].contains(kind)
    {
      try refuse(
        "init_lora_weights is '\(kind)', which changes the base weights",
        PEFTConfig.conversionAdvice)
    }
  }

  private static let conversionAdvice =
    "convert it to a plain LoRA with PEFT first (path_initial_model_for_weight_conversion)"
}

extension SidecarFile {
  /// A list of strings, empty where the key is absent or null.
  func strings(_ key: String) throws(SidecarError) -> [String] {
    guard let value = object[key], !value.isNull else { return [] }
    let strings = value.array?.compactMap(\.string)
    guard let strings, strings.count == value.array?.count else {
      throw badValue(key, expected: "a list of strings")
    }
    return strings
  }
}
