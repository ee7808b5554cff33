internal import ByteIO
internal import Tensors

/// The fields of mlx_lm's `adapter_config.json` that decide numbers (Updates §7.1).
struct MLXConfig {
  static let fileName = "adapter_config.json"

  /// How the model was trained.
  enum Kind: String, CaseIterable {
    case lora
    case dora
    /// Whole weights.
    case full
  }

  let file: SidecarFile
  let kind: Kind
  /// The rank of all pairs; nil where nothing is said of it.
  let rank: Int?
  /// What multiplies every delta.
  let scale: Double
  /// The base model's name or path, for people: it is never opened.
  let baseModel: String?

  /// Whether a config is one of mlx_lm's: it has the same file name as PEFT's.
  static func matches(_ file: SidecarFile) -> Bool {
    file.object["peft_type"] == nil
      && (file.object["fine_tune_type"] != nil || file.object["lora_parameters"] != nil)
  }

  /// - Throws: `SidecarError` for what is missing or malformed.
  init(_ file: SidecarFile) throws {
    self.file = file
    let usesDoRA = try file.flag("use_dora")
    kind = try file.word("fine_tune_type", as: Kind.self) ?? (usesDoRA ? .dora : .lora)
    baseModel = file.object["model"]?.string.flatMap {
      $0.isEmpty || !TextRules.isBaseModel($0) ? nil : $0
    }
    guard kind != .full else {
      rank = nil
      scale = 1
      return
    }
    guard let object = file.object["lora_parameters"]?.object else {
      throw file.failure(
        .missing(key: "lora_parameters", expected: "an object with rank and scale"))
    }
    let parameters = SidecarFile(path: file.path, object: object)
    rank = try parameters.integer("rank", in: 1...(1 << 20))
    guard let scale = try parameters.number("scale") else {
      throw file.failure(.missing(key: "lora_parameters.scale", expected: "a number"))
    }
    self.scale = scale
  }
}
