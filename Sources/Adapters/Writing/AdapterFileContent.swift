internal import ByteIO
internal import ResLoRAContainer
public import Tensors

/// An adapter as it goes into a file: what is said of it, and its tensors under the names of
/// Adapter §2.3.
public struct AdapterFileContent: Sendable {
  let content: AdapterContent
  let tensors: any TensorSource
  let attachments: [AncillaryChunk]

  /// An adapter to the bit, or with all tensors of another dtype.
  ///
  /// Statistics of base weights hold for exactly the factors they were computed with, so they are
  /// left out where `dtype` changes a block's.
  ///
  /// - Throws: `AdapterError`.
  public init(_ adapter: Adapter, dtype: DType? = nil) throws {
    var content = AdapterContent(adapter)
    var tensors: any TensorSource = try AdapterContent.tensors(of: adapter)
    if let dtype {
      let changed = zip(adapter.blocks, content.blocks).map { block, stated in
        (block.a.pieces + block.b.pieces).allSatisfy { $0.info.dtype == dtype }
          ? stated : stated.withoutStatistics
      }
      content.blocks = changed
      tensors = try ConvertedTensors(tensors, dtype)
    }
    self.content = content
    self.tensors = tensors
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

extension AdapterContent.BlockContent {
  fileprivate var withoutStatistics: Self {
    Self(
      name: name, scaling: scaling, previous: previous, pairs: pairs, windows: windows,
      base: base.map { BaseWeight(tensor: $0.tensor, sha256: $0.sha256, statistics: nil) })
  }
}
