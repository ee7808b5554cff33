internal import Adapters
internal import ByteIO
internal import HDF5
internal import Synchronization
internal import Tensors

/// Activations in HDF5 (Activations §3).
extension ActivationFile {
  static let hdf5Format = "reslora-activations"
  static let version = 1
  private static let rule = "Activations §3"

  init(hdf5 file: HDF5File, path: String, check: RuleCheck) throws {
    func broken(_ reason: ActivationError.Reason, rule: String = ActivationFile.rule) throws {
      try check.broken(ActivationError(path: path, rule: rule, reason: reason))
    }
    func warnOfOthers(
      in group: HDF5Group, links: (String) -> Bool = { _ in true }, attributes: Set<String> = []
    ) {
      HDF5Layout.warnOfOthers(
        in: group, links: links, attributes: attributes, path: path, check: check)
    }
    switch file.root.attribute("version") {
    case .integer(ActivationFile.version): break
    case .integer(let found):
      try broken(
        .unknownVersion(found: found, known: ActivationFile.version), rule: "Versions §2")
    case let other:
      try broken(
        .misplaced("attribute 'version' of / is \(other?.kind ?? "missing")", expected: "1"))
    }
    warnOfOthers(
      in: file.root, links: ["inputs", "blocks", "metadata"].contains,
      attributes: ["format", "version"])
    func group(_ name: String) throws -> HDF5Group? {
      let found = try check.attempt(ActivationFile.rule) { try file.root.group(name) } ?? nil
      if found == nil { try broken(.misplaced("no group /\(name)", expected: "one")) }
      return found
    }
    var datasets: [(name: TensorName, dataset: HDF5Dataset)] = []
    if let inputs = try group("inputs") {
      warnOfOthers(in: inputs)
      for link in inputs.links {
        guard
          let name = try HDF5Layout.name(of: link, in: inputs, path: path, check: check),
          let dataset = try check.attempt(ActivationFile.rule, { try inputs.dataset(link.name) })
            ?? nil
        else { continue }
        datasets.append((TensorName(name), dataset))
      }
    }
    var map: [(block: TensorName, matrix: TensorName)] = []
    if let blocks = try group("blocks") {
      warnOfOthers(in: blocks)
      for link in blocks.links {
        guard let name = try HDF5Layout.name(of: link, in: blocks, path: path, check: check),
          let block = try check.attempt(ActivationFile.rule, { try blocks.group(link.name) }) ?? nil
        else { continue }
        warnOfOthers(in: block, links: { _ in false }, attributes: ["input"])
        guard case .string(let input) = block.attribute("input") else {
          try broken(.misplaced("\(block.path) without 'input'", expected: "an input's name"))
          continue
        }
        map.append((TensorName(name), TensorName(input)))
      }
    }
    let metadata = try HDF5Layout.metadata(of: file.root, path: path, check: check)
    let matrices = try check.attempt(ActivationFile.rule) {
      try HDF5Tensors(file: file, datasets: datasets)
    }
    try self.init(
      path: path, format: "activations in HDF5",
      matrices: matrices ?? HDF5Tensors(file: file, datasets: []), inputs: map, metadata: metadata,
      check: check)
  }

  func writeHDF5(
    to path: String, replacing: Bool, threads: Int,
    progress: @escaping @Sendable (Int, Int) throws -> Void
  ) throws {
    let total = matrices.byteCount
    try Paths.requireSpace(total, at: path)
    let done = Atomic<Int>(0)
    try HDF5Writer.write(
      to: path, replacing: replacing, threads: threads,
      checkpoint: { try progress(done.load(ordering: .relaxed), total) }
    ) { root in
      try root.attribute("format", .string(ActivationFile.hdf5Format))
      try root.attribute("version", .integer(ActivationFile.version))
      try HDF5Layout.write(metadata, to: root)
      try root.group("inputs") { group in
        for index in matrices.tensors.indices.sorted(by: {
          matrices.tensors[$0].name < matrices.tensors[$1].name
        }) {
          let reference = TensorReference(source: matrices, index: index)
          try group.dataset(
            HDF5LinkName.link(for: reference.info.name.string), from: reference)
          done.wrappingAdd(reference.info.byteCount, ordering: .relaxed)
        }
      }
      try root.group("blocks") { group in
        for (block, matrix) in inputs {
          try group.group(HDF5LinkName.link(for: block.string)) {
            try $0.attribute("input", .string(matrices.tensors[matrix].name.string))
          }
        }
      }
    }
  }
}
