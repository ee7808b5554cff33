package import HDF5
package import Tensors

/// What the HDF5 layouts of adapters, norm windows and activations share.
package enum HDF5Layout {
  /// What a file's attribute `format` says it is.
  package static func format(of file: HDF5File) -> String? {
    if case .string(let format) = file.root.attribute("format") { format } else { nil }
  }

  /// Reads `/metadata` (Adapter in HDF5 §2.2).
  package static func metadata(
    of root: HDF5Group, path: String, check: RuleCheck
  ) throws -> [(key: String, value: String)] {
    let rule = "Adapter in HDF5 §2.2"
    guard let group = try check.attempt(rule, { try root.group("metadata") }) ?? nil else {
      return []
    }
    warnOfOthers(in: group, links: { _ in true }, attributes: [], path: path, check: check)
    var total = 0
    var keys: Set<TensorName> = []
    var metadata: [(key: String, value: String)] = []
    for link in group.links {
      guard let key = try name(of: link, in: group, path: path, check: check) else { continue }
      // Different escapes can stand for one key.
      guard keys.insert(TensorName(key)).inserted else {
        try check.broken(
          ContentError(
            path: path, owner: nil, rule: "Adapter §1.7", reason: .repeatedMetadata(key: key)))
        continue
      }
      let text = try check.attempt(rule) {
        try group.dataset(link.name)?.text(limit: TextRules.maximumMetadataBytes)
      }
      guard let text = text ?? nil else { continue }
      total += text.utf8.count
      guard total <= TextRules.maximumMetadataBytes else {
        try check.broken(
          ContentError(
            path: path, owner: nil, rule: "Adapter §1.7", reason: .tooMuchMetadata(found: total)))
        return metadata
      }
      metadata.append((key, text))
    }
    return metadata
  }

  /// Writes `/metadata`, where there is any.
  package static func write(
    _ metadata: [(key: String, value: String)], to root: HDF5GroupWriter
  ) throws {
    guard !metadata.isEmpty else { return }
    try root.group("metadata") { group in
      for (key, value) in metadata { try group.text(HDF5LinkName.link(for: key), value) }
    }
  }

  /// The name that a link stands for (Adapter in HDF5 §1.4).
  package static func name(
    of link: HDF5Link, in group: HDF5Group, path: String, check: RuleCheck
  ) throws -> String? {
    if let name = HDF5LinkName.name(of: link.name) { return name }
    try check.broken(
      ContentError(
        path: path, owner: nil, rule: "Adapter in HDF5 §1.4",
        reason: .badEscape(group.path(of: link.name))))
    return nil
  }

  /// Notes what a group holds that the layout does not name (Adapter in HDF5 §1.1).
  package static func warnOfOthers(
    in group: HDF5Group, links: (String) -> Bool, attributes: Set<String>, path: String,
    check: RuleCheck
  ) {
    guard check.isCollecting else { return }
    let (known, unknown) = group.links.reduce(into: ([HDF5Link](), [HDF5Link]())) {
      links($1.name) ? $0.0.append($1) : $0.1.append($1)
    }
    // Groups that are known are looked at where they are read; datasets have no attributes here.
    let ofDatasets = known.flatMap { link -> [String] in
      guard case .dataset(let dataset) = link.object else { return [] }
      return dataset.attributes.map { "attribute \($0.name) of \(dataset.path)" }
    }
    let others =
      unknown.map { group.path(of: $0.name) }
      + group.attributes.map(\.name).filter { !attributes.contains($0) }
      .map { "attribute \($0) of \(group.path)" } + ofDatasets
    for other in others {
      check.warn(
        ContentError(
          path: path, owner: nil, rule: "Adapter in HDF5 §1.1", reason: .unknownObject(other)))
    }
  }
}

extension Fields {
  /// The attributes of a group.
  init(_ group: HDF5Group, path: String, owner: String?, rule: String, check: RuleCheck) {
    self.init(path: path, owner: owner, rule: rule, check: check) { key in
      group.attribute(key).map(FieldValue.init)
    }
  }
}

extension FieldValue {
  fileprivate init(_ value: HDF5Value) {
    switch value {
    case .string(let text): self = .string(text)
    case .integer(let integer): self = .integer(integer)
    case .double(let number): self = .number(number)
    case .integers(let integers): self = .integers(integers)
    case .doubles, .unsupported: self = .other(value.kind)
    }
  }
}
