internal import Tensors

/// The names PEFT gives the tensors of an adapter (Updates §2.1).
enum PEFTKeys {
  /// What PEFT puts before every module's name.
  static let prefix = "base_model.model."

  /// What a tensor is beside its module: the part of its name after the module's.
  enum Role: String, CaseIterable {
    case a = "lora_A.weight"
    case b = "lora_B.weight"
    case bBias = "lora_B.bias"
    case embeddingA = "lora_embedding_A"
    case embeddingB = "lora_embedding_B"
    case magnitude = "lora_magnitude_vector"
    case magnitudeWeight = "lora_magnitude_vector.weight"
    case rightVectors = "lora_A"
    case leftVectors = "lora_B"
    case singularValues = "lora_E"
    case hada1A = "hada_w1_a"
    case hada1B = "hada_w1_b"
    case hada2A = "hada_w2_a"
    case hada2B = "hada_w2_b"
    case hada1T = "hada_t1"
    case hada2T = "hada_t2"
    case left = "lokr_w1"
    case leftA = "lokr_w1_a"
    case leftB = "lokr_w1_b"
    case right = "lokr_w2"
    case rightA = "lokr_w2_a"
    case rightB = "lokr_w2_b"
    case rightT = "lokr_t2"
  }

  /// The key of a block's A.
  static func a(of block: TensorName) -> TensorName { key(block, .a) }
  /// The key of a block's B.
  static func b(of block: TensorName) -> TensorName { key(block, .b) }

  /// The module and what the tensor is beside it, or nil for other names.
  static func parse(_ name: TensorName) -> (module: TensorName, role: Role)? {
    for role in Role.allCases where name.string.utf8.count > role.rawValue.utf8.count + 1 {
      let suffix = "." + role.rawValue
      if name.string.hasSuffix(suffix) {
        return (module(of: TensorName(String(name.string.dropLast(suffix.count)))), role)
      }
    }
    return nil
  }

  /// The module whose weight is saved under this name beside its adapter, as PEFT does of adapted
  /// embeddings; nil for other names.
  static func savedWeight(_ name: TensorName) -> TensorName? {
    let suffix = ".base_layer.weight"
    guard name.string.hasSuffix(suffix) else { return nil }
    return module(of: TensorName(String(name.string.dropLast(suffix.count))))
  }

  /// The module's name in the model that PEFT wraps, by which its patterns go: without the prefix.
  static func module(of block: TensorName) -> TensorName {
    guard block.string.hasPrefix(prefix) else { return block }
    return TensorName(String(block.string.dropFirst(prefix.count)))
  }

  private static func key(_ block: TensorName, _ role: Role) -> TensorName {
    TensorName(prefix + module(of: block).string + "." + role.rawValue)
  }
}
