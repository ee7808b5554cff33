package import Tensors

/// The rules for names and metadata, the same in every file of ours.
package enum TextRules {
  /// The most bytes of all metadata together.
  static let maximumMetadataBytes = 16 << 20

  /// The most bytes of the name of a base model: what an attribute of HDF5 has room for.
  static let maximumBaseModelBytes = 60_000

  /// Whether a text can be the name or path of a base model (Adapter §2.1).
  static func isBaseModel(_ text: String) -> Bool {
    text.utf8.count <= maximumBaseModelBytes && !text.utf8.contains(0)
  }

  /// Whether a text can be a name (Adapter §1.2).
  static func isName(_ text: String) -> Bool {
    let bytes = text.utf8
    return !bytes.isEmpty && bytes.count <= 4096 && !bytes.contains(0)
  }

  /// Checks a name (Adapter §1.2).
  ///
  /// - Parameter kind: what it is the name of.
  package static func checkName(
    _ name: String, of kind: String, path: String, _ check: RuleCheck
  ) throws -> Bool {
    if isName(name) { return true }
    try check.broken(
      ContentError(path: path, owner: kind, rule: "Adapter §1.2", reason: .badName(name)))
    return false
  }

  /// Checks metadata but for keys that occur twice (Adapter §1.7).
  package static func checkMetadata(
    _ metadata: [(key: String, value: String)], path: String, _ check: RuleCheck
  ) throws {
    func broken(_ reason: ContentError.Reason) throws {
      try check.broken(ContentError(path: path, owner: nil, rule: "Adapter §1.7", reason: reason))
    }
    for (key, value) in metadata
    where key.isEmpty || key.utf8.contains(0) || value.utf8.contains(0) {
      try broken(.badMetadata(key: key))
    }
    let size = metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    if size > maximumMetadataBytes { try broken(.tooMuchMetadata(found: size)) }
  }
}
