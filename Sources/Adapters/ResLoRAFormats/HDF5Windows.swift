internal import ByteIO
internal import HDF5
internal import Tensors

/// Norm windows in HDF5 (Adapter in HDF5 §2.4, §3).
enum HDF5Windows {
  /// The value of `format` that marks a file of windows alone.
  static let format = "reslora-windows"
  static let version = 1

  /// The windows of a block's group; none where it has none.
  static func read(_ block: HDF5Group, _ owner: Fields) throws -> NormWindows {
    guard let group = try block.group("windows") else { return NormWindows() }
    let fields = Fields(
      group, path: owner.path, owner: owner.owner, rule: "Adapter in HDF5 §2.4", check: owner.check)
    HDF5Layout.warnOfOthers(
      in: group, links: ["input", "projection"].contains, attributes: ["capacity"],
      path: owner.path, check: owner.check)
    return try NormWindows(
      input: group.dataset("input")?.doubles(limit: NormWindows.maximumLength) ?? [],
      projection: group.dataset("projection")?.doubles(limit: NormWindows.maximumLength) ?? [],
      capacity: fields.integer("capacity", in: 1...Int.max), fields)
  }

  /// Writes the windows of a block into its group, where there are any.
  static func write(_ windows: NormWindows, to block: HDF5GroupWriter) throws {
    guard !windows.isEmpty else { return }
    try block.group("windows") { group in
      if windows.capacity != NormWindows.defaultCapacity {
        try group.attribute("capacity", .integer(windows.capacity))
      }
      for (name, window) in [("input", windows.input), ("projection", windows.projection)]
      where !window.values.isEmpty {
        try group.doubles(name, window.values)
      }
    }
  }

  /// The blocks of a file of windows alone.
  static func blocks(
    of file: HDF5File, check: RuleCheck
  ) throws -> [(block: TensorName, windows: NormWindows)] {
    let path = file.path
    let root = Fields(
      file.root, path: path, owner: nil, rule: "Adapter in HDF5 §3", check: check)
    func warnOfOthers(in group: HDF5Group, _ links: Set<String>, _ attributes: Set<String>) {
      HDF5Layout.warnOfOthers(
        in: group, links: links.contains, attributes: attributes, path: path, check: check)
    }
    guard try root.checkFormat(format, version: version),
      let group = try check.attempt(root.rule, { try file.root.group("blocks") }) ?? nil
    else { return [] }
    warnOfOthers(in: file.root, ["blocks"], ["format", "version"])
    warnOfOthers(in: group, Set(group.links.map(\.name)), [])
    var names: Set<TensorName> = []
    return try group.links.compactMap { link in
      guard let name = try HDF5Layout.name(of: link, in: group, path: path, check: check),
        let block = try check.attempt(root.rule, { try group.group(link.name) }) ?? nil
      else { return nil }
      let owner = root.of(TensorName(name))
      guard try owner.checkName(name) else { return nil }
      warnOfOthers(in: block, ["windows"], [])
      // Different escapes can stand for one name.
      guard names.insert(TensorName(name)).inserted else {
        try owner.broken(.duplicateBlock, rule: "Adapter §1.2")
        return nil
      }
      return try check.attempt(root.rule) { try read(block, owner) }
        .map { (TensorName(name), $0) }
    }
  }
}

extension WindowsFile {
  /// Writes the windows into an HDF5 file of their own (Adapter in HDF5 §3).
  ///
  /// - Throws: `SidecarError` for a window that is longer than its capacity, which is 100 for those
  ///   of a JSON file; `HDF5Error`, `FileError`, errors of writing.
  public func writeHDF5(to path: String, replacing: Bool) throws {
    let blocks = try blocksToWrite()
    try HDF5Writer.write(to: path, replacing: replacing) { root in
      try root.attribute("format", .string(HDF5Windows.format))
      try root.attribute("version", .integer(HDF5Windows.version))
      try root.group("blocks") { group in
        for (name, windows) in blocks {
          try group.group(HDF5LinkName.link(for: name.string)) { block in
            try HDF5Windows.write(windows, to: block)
          }
        }
      }
    }
  }
}
