internal import ByteIO
internal import ResLoRAContainer
public import Tensors

/// An adapter as it goes into a file: what is said of it, and its tensors under the names of
/// Adapter §2.3.
public struct AdapterFileContent: Sendable {
  let content: AdapterContent
  let tensors: any TensorSource
  let attachments: [AncillaryChunk]

  /// An adapter to the bit.
  ///
  /// - Throws: `AdapterError`.
  public init(_ adapter: Adapter) throws {
    content = AdapterContent(adapter)
    tensors = try AdapterContent.tensors(of: adapter)
    attachments = adapter.provenance.attachments
  }

  /// A plain LoRA, its factors rounded once into `dtype` or into those the blocks state.
  ///
  /// - Throws: `AdapterError`.
  public init(
    _ lora: any PlainLoRA, provenance: Provenance = Provenance(), dtype: DType? = nil
  ) throws {
    content = AdapterContent(lora, provenance)
    tensors = try PlainLoRATensors(lora, dtype)
    attachments = []
  }

  /// Size of all tensors in bytes.
  public var byteCount: Int { tensors.byteCount }

  /// Checks that a reader will take what is written: names, norms, metadata.
  func checkDescription(for path: String) throws {
    _ = try AdapterContent(parsing: Array(content.text.utf8), path: path, check: .throwing)
  }
}

/// What formats of others hold: a plain LoRA and little beside it.
extension AdapterFileContent {
  /// Refuses links and stacked pairs.
  ///
  /// - Throws: `AdapterError.notPlain`, `AdapterError.stackedPairs`.
  func requirePlain(_ format: String) throws(AdapterError) {
    guard content.structure == .plain else {
      throw .notPlain(format: format, structure: content.structure)
    }
    for block in content.blocks where block.pairs > 1 {
      throw .stackedPairs(format: format, block: block.name, found: block.pairs)
    }
  }

  /// What there is beside factors, scalings and the base model.
  var lossesBesideFactors: [String] {
    var losses: [String] = []
    if content.blocks.contains(where: { !$0.windows.isEmpty }) { losses.append("norm windows") }
    if !content.metadata.isEmpty { losses.append("metadata") }
    if content.blocks.contains(where: { $0.base != nil }) {
      losses.append("what is known of base weights")
    }
    return losses + attachments.map { "chunk '\($0.type)'" }
  }
}
