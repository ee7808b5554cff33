public import ResLoRAContainer

/// Where an adapter comes from, and what its file carries along for people and other tools.
public struct Provenance: Sendable {
  /// Name or path of the base model, for people; nil where unknown. Never opened.
  public var baseModel: String?
  /// Free text, sorted by the bytes of the key (Adapter §1.7).
  public private(set) var metadata: [(key: String, value: String)]
  /// What other tools have put into a container; only containers keep it (Container §3.1).
  public var attachments: [AncillaryChunk]

  /// States what is known.
  public init(
    baseModel: String? = nil, metadata: [(key: String, value: String)] = [],
    attachments: [AncillaryChunk] = []
  ) {
    self.baseModel = baseModel?.isEmpty == true ? nil : baseModel
    self.metadata = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    self.attachments = attachments
  }

  /// The same for another adapter, which attachments are not about (Container §3.1).
  package var ofAnotherAdapter: Provenance {
    Provenance(baseModel: baseModel, metadata: metadata)
  }
}
