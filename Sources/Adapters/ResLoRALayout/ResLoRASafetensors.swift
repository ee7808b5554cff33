internal import ByteIO
internal import Safetensors
public import Tensors

/// An adapter in one safetensors file: tensors `BLOCK.lora_A` and `BLOCK.lora_B`, everything else
/// as JSON under the metadata key `reslora`.
enum ResLoRASafetensors: AdapterFormat {
  static let name = "ResLoRA safetensors"

  static func a(of block: TensorName) -> TensorName { TensorName(block.string + ".lora_A") }
  static func b(of block: TensorName) -> TensorName { TensorName(block.string + ".lora_B") }

  static func matches(_ probe: InputProbe) throws -> Bool { text(probe) != nil }

  private static func text(_ probe: InputProbe) -> String? {
    probe.safetensors?.header.metadata.first { $0.key == ResLoRAMetadata.key }?.value
  }

  static func describe(_ probe: InputProbe) throws -> AdapterDescription {
    guard let source = probe.safetensors, let text = text(probe) else {
      throw AdapterError.noBlocks(source: probe.path)
    }
    let metadata = try ResLoRAMetadata(parsing: text, path: probe.path)
    var unexpected = Set(source.tensors.map(\.name))
    let blocks = try metadata.blocks.map { entry in
      func factor(_ name: TensorName, _ join: Factor.Join) throws -> Factor {
        guard let index = source.index(of: name) else {
          throw AdapterError.incompletePair(source: probe.path, block: entry.name, pair: 0)
        }
        unexpected.remove(name)
        return try Factor([TensorReference(source: source, index: index)], join: join)
      }
      return try Block(
        name: entry.name, a: factor(a(of: entry.name), .rows),
        b: factor(b(of: entry.name), .columns),
        scaling: entry.scaling, windows: entry.windows)
    }
    guard unexpected.isEmpty else {
      throw SidecarError(path: probe.path, reason: .unexpectedTensors(unexpected.sorted()))
    }
    return AdapterDescription(
      label: probe.path, format: name, blocks: blocks, previous: metadata.blocks.map(\.previous),
      structure: metadata.structure, root: metadata.root, reach: metadata.reach)
  }
}

extension PlainLoRA {
  /// Writes one safetensors file that keeps every block's rank and scaling.
  ///
  /// - Parameter dtype: the dtype of all tensors, or nil for those the blocks state.
  /// - Throws: `FileError.exists`, errors of computing the factors and of writing.
  public func writeSafetensors(to path: String, dtype: DType?, replacing: Bool) throws {
    let metadata = ResLoRAMetadata(
      structure: .plain, root: .ownInput, reach: .all,
      blocks: blocks.map { block in
        ResLoRAMetadata.BlockEntry(
          name: block.name, scaling: block.scaling, previous: nil, windows: NormWindows())
      })
    try writeFactors(
      to: path, dtype: dtype, metadata: [(ResLoRAMetadata.key, metadata.json.serialized())],
      replacing: replacing, aName: ResLoRASafetensors.a(of:), bName: ResLoRASafetensors.b(of:))
  }
}
