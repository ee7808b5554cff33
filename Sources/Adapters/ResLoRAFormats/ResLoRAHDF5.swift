internal import ByteIO
internal import HDF5
internal import Tensors

/// An adapter in one HDF5 file (Adapter in HDF5 §2).
enum ResLoRAHDF5: AdapterFormat {
  static let name = "ResLoRA HDF5"

  private static let rule = "Adapter in HDF5 §2.3"

  static func matches(_ probe: InputProbe) throws -> Bool {
    probe.hdf5.map { HDF5Layout.format(of: $0) } == AdapterContent.format
  }

  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? {
    guard let file = probe.hdf5 else { throw AdapterError.noBlocks(source: probe.path) }
    let fields = Fields(
      file.root, path: probe.path, owner: nil, rule: "Adapter in HDF5 §2.1", check: check)
    guard try fields.checkFormat(AdapterContent.format, version: AdapterContent.version) else {
      return nil
    }
    HDF5Layout.warnOfOthers(
      in: file.root, links: { ["blocks", "metadata"].contains($0) },
      attributes: ["format", "version", "structure", "root", "pre_num", "base_model"],
      path: probe.path, check: check)
    let metadata = try HDF5Layout.metadata(of: file.root, path: probe.path, check: check)
    let found = try blocks(of: file.root, path: probe.path, check: check)
    guard let content = try AdapterContent(fields, metadata: metadata, blocks: found.map(\.block)),
      !check.hasErrors
    else { return nil }
    let tensors = try check.attempt(rule) {
      try HDF5Tensors(file: file, datasets: found.flatMap(\.datasets))
    }
    guard let tensors else { return nil }
    return try content.adapter(
      path: probe.path, format: name, tensors: tensors, rule: rule, check: check)
  }

  private typealias Found = (
    block: AdapterContent.BlockContent, datasets: [(name: TensorName, dataset: HDF5Dataset)]
  )

  /// The blocks in module order.
  private static func blocks(
    of root: HDF5Group, path: String, check: RuleCheck
  ) throws -> [Found] {
    guard let group = try check.attempt(rule, { try root.group("blocks") }) ?? nil,
      !group.links.isEmpty
    else {
      try check.broken(
        ContentError(
          path: path, owner: nil, rule: rule,
          reason: .missing(key: "/blocks", expected: "a group with a group for every block")))
      return []
    }
    HDF5Layout.warnOfOthers(
      in: group, links: { _ in true }, attributes: [], path: path, check: check)
    var found: [(index: Int, block: Found)] = []
    for link in group.links {
      guard let name = try HDF5Layout.name(of: link, in: group, path: path, check: check),
        let inner = try check.attempt(rule, { try group.group(link.name) }) ?? nil,
        let block = try block(inner, name: name, path: path, check: check)
      else { continue }
      found.append(block)
    }
    found.sort { $0.index < $1.index }
    if found.map(\.index) != Array(found.indices), !check.hasErrors {
      try check.broken(
        ContentError(
          path: path, owner: nil, rule: rule, reason: .badPositions(found: found.map(\.index))))
    }
    return found.map(\.block)
  }

  private static func block(
    _ group: HDF5Group, name: String, path: String, check: RuleCheck
  ) throws -> (index: Int, block: Found)? {
    let fields = Fields(
      group, path: path, owner: "block '\(name.escapedForTerminal)'", rule: rule, check: check)
    let index = try fields.required(
      "index", "the block's position", fields.integer("index", in: 0...Int.max))
    let scaling = try fields.required("scaling", "a number", fields.number("scaling"))
    let previous = try fields.string("previous").map { TensorName($0) }
    let windows = try check.attempt("Adapter in HDF5 §2.4") {
      try HDF5Windows.read(group, fields)
    }
    let base = try check.attempt("Adapter in HDF5 §2.5") {
      try group.group("base").flatMap { try baseWeight($0, fields) }
    }
    let pairs = group.link("lora_A") == nil ? stackedPairs(group) : 1
    var datasets: [(name: TensorName, dataset: HDF5Dataset)] = []
    var names: Set = ["windows", "base"]
    for factor in (0..<pairs).flatMap({
      [FactorName.a($0, of: pairs), FactorName.b($0, of: pairs)]
    }) {
      names.insert(factor)
      guard let dataset = try check.attempt(rule, { try group.dataset(factor) }) ?? nil else {
        if group.link(factor) == nil {
          try fields.broken(.missing(key: factor, expected: "a dataset"))
        }
        continue
      }
      datasets.append((FactorName.tensor(TensorName(name), factor), dataset))
    }
    // A pair beyond a gap must not be taken for something to be ignored.
    for link in group.links where isFactor(link.name) && !names.contains(link.name) {
      try fields.broken(
        .misplaced(
          link.name, expected: pairs == 1 ? "lora_A and lora_B" : "pairs numbered without a gap"))
    }
    HDF5Layout.warnOfOthers(
      in: group, links: { names.contains($0) || isFactor($0) },
      attributes: ["index", "scaling", "previous"], path: path, check: check)
    guard let index, let scaling, try fields.checkName(name) else { return nil }
    let block = AdapterContent.BlockContent(
      name: TensorName(name), scaling: scaling, previous: previous, pairs: pairs,
      windows: windows ?? NormWindows(), base: base ?? nil)
    return (index, (block, datasets))
  }

  /// How many pairs `lora_A.0`, `lora_A.1`, … there are; 1 where there are none, so that the missing
  /// one is named.
  private static func stackedPairs(_ group: HDF5Group) -> Int {
    let count = (0...AdapterContent.BlockContent.maximumPairs).first {
      group.link("lora_A.\($0)") == nil && group.link("lora_B.\($0)") == nil
    }
    return max(1, count ?? 1)
  }

  /// Whether a link has the name of a factor, of any pair.
  private static func isFactor(_ link: String) -> Bool {
    let parts = link.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    return ["lora_A", "lora_B"].contains(parts[0])
      && (parts.count == 1 || Int(parts[1]) != nil)
  }

  private static func baseWeight(_ group: HDF5Group, _ owner: Fields) throws -> BaseWeight? {
    let fields = Fields(
      group, path: owner.path, owner: owner.owner, rule: "Adapter in HDF5 §2.5", check: owner.check)
    HDF5Layout.warnOfOthers(
      in: group, links: { $0 == "cross" },
      attributes: ["tensor", "dtype", "shape", "sha256", "squared_norm"], path: owner.path,
      check: owner.check)
    var statistics: (squaredNorm: Double, cross: [(TensorName, Double)])?
    let cross = try group.group("cross")
    let squaredNorm = try fields.number("squared_norm")
    if cross != nil || squaredNorm != nil {
      _ = try fields.required("squared_norm", "a number from 0 on", squaredNorm)
      guard let cross else {
        try fields.broken(.missing(key: "cross", expected: "a group"))
        return nil
      }
      HDF5Layout.warnOfOthers(
        in: cross, links: { _ in false }, attributes: Set(cross.attributes.map(\.name)),
        path: owner.path, check: owner.check)
      let numbers = Fields(
        cross, path: owner.path, owner: owner.owner, rule: "Adapter in HDF5 §2.5",
        check: owner.check)
      statistics = (
        squaredNorm ?? 0,
        try cross.attributes.compactMap { attribute in
          try numbers.number(attribute.name).map { (TensorName(attribute.name), $0) }
        }
      )
    }
    return try BaseWeight(fields, statistics: statistics)
  }
}
