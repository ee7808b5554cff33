internal import Tensors

/// The names PEFT gives the tensors of an adapter.
enum PEFTKeys {
  /// What PEFT puts before every module's name.
  static let prefix = "base_model.model."

  /// The key of a block's A.
  static func a(of block: TensorName) -> TensorName { key(block, ".lora_A.weight") }
  /// The key of a block's B.
  static func b(of block: TensorName) -> TensorName { key(block, ".lora_B.weight") }

  /// Whether a tensor's name is that of a LoRA factor of a linear layer.
  static func isFactor(_ name: TensorName) -> Bool { parse(name) != nil }

  /// The module and which factor, or nil for other names.
  static func parse(_ name: TensorName) -> (module: TensorName, isA: Bool)? {
    for (suffix, isA) in [(".lora_A.weight", true), (".lora_B.weight", false)]
    where name.string.hasSuffix(suffix) {
      return (module(of: TensorName(String(name.string.dropLast(suffix.count)))), isA)
    }
    return nil
  }

  /// The module's name in the model that PEFT wraps, by which its patterns go: without the prefix.
  static func module(of block: TensorName) -> TensorName {
    guard block.string.hasPrefix(prefix) else { return block }
    return TensorName(String(block.string.dropFirst(prefix.count)))
  }

  private static func key(_ block: TensorName, _ suffix: String) -> TensorName {
    TensorName(prefix + module(of: block).string + suffix)
  }
}
