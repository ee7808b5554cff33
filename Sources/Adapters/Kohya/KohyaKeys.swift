internal import Tensors

/// The names that kohya's scripts and LyCORIS give the tensors of an adapter (Updates §8.1).
enum KohyaKeys {
  /// What a tensor is beside its module.
  enum Role: Hashable {
    case down
    case up
    case mid
    case alpha
    case magnitude
    case lycoris(PEFTKeys.Role)
  }

  private static let roles: [(suffix: String, role: Role)] =
    [
      (".lora_down.weight", .down), (".lora_up.weight", .up), (".lora_mid.weight", .mid),
      (".alpha", .alpha), (".dora_scale", .magnitude),
    ]
    + PEFTKeys.Role.allCases.filter {
      $0.rawValue.hasPrefix("hada_") || $0.rawValue.hasPrefix("lokr_")
    }.map { (".\($0.rawValue)", .lycoris($0)) }

  /// What comes before the flattened name of a module: which part of a pipeline it is of.
  private static let components = [
    "lora_unet_", "lora_te1_", "lora_te2_", "lora_te3_", "lora_te_", "lora_prior_unet_",
    "lora_prior_te_", "lora_transformer_", "lycoris_",
  ]

  /// The module and what the tensor is beside it, or nil for other names.
  static func parse(_ name: TensorName) -> (module: TensorName, role: Role)? {
    for (suffix, role) in roles
    where name.string.utf8.count > suffix.utf8.count && name.string.hasSuffix(suffix) {
      return (TensorName(String(name.string.dropLast(suffix.count))), role)
    }
    return nil
  }

  /// Whether a file with a tensor of this name is one of kohya's or LyCORIS's.
  static func isTelling(_ name: TensorName) -> Bool {
    // PEFT has the same names for LoHa and LoKr, with the scale in its config.
    if name.string.hasPrefix(PEFTKeys.prefix) { return false }
    return switch parse(name)?.role {
    case .down, .lycoris: true
    default: false
    }
  }

  /// A module's name in the base as far as the file tells it, and how it is spelt.
  static func base(of module: TensorName) -> (name: TensorName, naming: WeightUpdate.Naming) {
    if module.string.contains(".") { return (module, .dotted) }
    for component in components where module.string.hasPrefix(component) {
      let rest = String(module.string.dropFirst(component.count))
      if !rest.isEmpty { return (TensorName(rest), .flattened) }
    }
    return (module, .flattened)
  }

  /// Where the modules of a pipeline's parts begin, and what kohya puts in its place.
  private static let parts = [
    ("unet.", "lora_unet_"), ("model.diffusion_model.", "lora_unet_"),
    ("diffusion_model.", "lora_unet_"), ("transformer.", "lora_unet_"),
    ("text_encoder_2.", "lora_te2_"), ("text_encoder_3.", "lora_te3_"),
  ]

  /// The name kohya's scripts give a module.
  ///
  /// - Parameter hasSecondEncoder: whether there is a second text encoder, so that the first one's
  ///   modules are `lora_te1_`.
  static func module(_ name: TensorName, hasSecondEncoder: Bool) -> TensorName {
    let text = PEFTKeys.module(of: name).string
    if components.contains(where: text.hasPrefix), !text.contains(".") { return name }
    func flattened(_ prefix: String, _ rest: some StringProtocol) -> TensorName {
      TensorName(prefix + FlattenedNames.flattened(String(rest)))
    }
    for (begin, prefix) in parts where text.hasPrefix(begin) {
      return flattened(prefix, text.dropFirst(begin.count))
    }
    let encoder = hasSecondEncoder ? "lora_te1_" : "lora_te_"
    if text.hasPrefix("text_encoder.") {
      return flattened(encoder, text.dropFirst("text_encoder.".count))
    }
    return flattened(text.hasPrefix("text_model.") ? encoder : "lora_unet_", text)
  }
}
