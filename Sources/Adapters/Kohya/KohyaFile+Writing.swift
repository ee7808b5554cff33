internal import ByteIO
internal import Safetensors
internal import Tensors

/// One file that kohya's scripts, and what reads theirs, load (Updates §8.2).
extension KohyaFile: WritableAdapterFormat {
  static let identifier = "kohya"
  static let fileExtensions = ["safetensors"]

  static func check(_ file: AdapterFileContent, for path: String) throws {
    try file.requirePlain(name)
    _ = try tensors(file)
  }

  static func losses(of file: AdapterFileContent) -> [String] {
    let losses = file.lossesBesideFactors + (file.content.baseModel == nil ? [] : ["base model"])
    return losses.map(loss)
  }

  static func write(_ file: AdapterFileContent, to path: String, _ options: WriteOptions) throws {
    try SafetensorsWriter.write(
      tensors(file), metadata: [("ss_network_module", "networks.lora")], to: path,
      replacing: options.replacing, progress: options.progress)
  }

  /// The tensors under kohya's names; flattening may make one of two, which is refused.
  private static func tensors(_ file: AdapterFileContent) throws -> RenamedTensors {
    let blocks = file.content.blocks
    let hasSecondEncoder = blocks.contains {
      PEFTKeys.module(of: $0.name).string.hasPrefix("text_encoder_2.")
    }
    let names = blocks.map { KohyaKeys.module($0.name, hasSecondEncoder: hasSecondEncoder) }
    var taken: Set<TensorName> = []
    for (name, block) in zip(names, blocks) where !taken.insert(name).inserted {
      throw AdapterError.duplicateBlock(block.name)
    }
    let alphas = try MemoryTensorSource(
      label: file.tensors.label,
      tensors: zip(names, blocks).enumerated().map { position, pair in
        let rank = file.tensors.tensors[2 * position].shape[0]
        let alpha = PEFTConfigText.alpha(scaling: pair.1.scaling, rank: rank)
        // Exact in either.
        let dtype: DType = Double(Float(alpha)) == alpha ? .f32 : .f64
        return (
          try TensorInfo(name: TensorName("\(pair.0.string).alpha"), dtype: dtype, shape: []),
          Conversion.bytes(from: [alpha], dtype: dtype)
        )
      })
    return try RenamedTensors(
      label: file.tensors.label,
      names.enumerated().flatMap { position, name in
        [
          (alphas.tensors[position].name, TensorReference(source: alphas, index: position)),
          (
            TensorName("\(name.string).lora_down.weight"),
            TensorReference(source: file.tensors, index: 2 * position)
          ),
          (
            TensorName("\(name.string).lora_up.weight"),
            TensorReference(source: file.tensors, index: 2 * position + 1)
          ),
        ]
      })
  }
}
