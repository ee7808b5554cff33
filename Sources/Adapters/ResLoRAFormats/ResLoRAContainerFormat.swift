internal import ByteIO
internal import ResLoRAContainer
internal import Tensors

/// An adapter in the native container (Container).
enum ResLoRAContainerFormat: AdapterFormat {
  static let name = "ResLoRA container"

  static func matches(_ probe: InputProbe) throws -> Bool { probe.container != nil }

  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? {
    guard let file = probe.container, let container = try open(file, check),
      let content = try AdapterContent(
        parsing: Array(container.description.utf8), path: probe.path, check: check)
    else { return nil }
    try checkOrder(container, content, check)
    return try content.adapter(
      path: probe.path, format: name, tensors: container, rule: "Adapter §2.3",
      attachments: container.ancillaryChunks, details: details(of: container), check: check)
  }

  /// Opens a container; with a check that collects, reads all of it.
  private static func open(_ file: ReadableFile, _ check: RuleCheck) throws -> ContainerFile? {
    guard check.isCollecting else { return try ContainerFile(file: file) }
    let validation = try ContainerValidation(of: file) { _, _ in try check.progress() }
    for error in validation.errors { try check.broken(error) }
    return validation.file
  }

  /// What `inspect` shows of the file.
  private static func details(of container: ContainerFile) -> [(name: String, value: String)] {
    let raw = container.chunks.reduce(0) { $0 + $1.rawLength }
    let stored = container.chunks.reduce(0) { $0 + $1.storedLength }
    let kinds = Set(container.chunks.map(\.compression.description)).sorted()
    var details = [
      (name: "identity", value: container.identity),
      (
        name: "chunks",
        value: "\(container.chunks.count), \(stored) bytes stored for \(raw) "
          + "(\(kinds.joined(separator: ", ")))"
      ),
    ]
    for chunk in container.ancillaryChunks {
      details.append((name: "chunk \(chunk.type)", value: "\(chunk.byteCount) bytes, kept"))
    }
    return details
  }

  /// Tensors stand in the order of the description (Container §4.4).
  private static func checkOrder(
    _ container: ContainerFile, _ content: AdapterContent, _ check: RuleCheck
  ) throws {
    let found = container.tensors.map(\.name)
    // A few bytes can declare millions of pairs.
    guard content.blocks.reduce(0, { $0 + 2 * $1.pairs }) == found.count else { return }
    let expected = FactorName.tensors(of: content)
    guard Set(found) == Set(expected), found != expected else { return }
    try check.broken(
      ContentError(
        path: container.label, owner: nil, rule: "Container §4.4", reason: .unorderedTensors))
  }
}

extension ResLoRAContainerFormat: WritableAdapterFormat {
  static let identifier = "reslora"
  static let fileExtensions = ["reslora"]

  static func losses(of file: AdapterFileContent) -> [String] { [] }

  static func write(_ file: AdapterFileContent, to path: String, _ options: WriteOptions) throws {
    let writer = ContainerWriter(
      compression: options.compression, threads: options.threads, progress: options.progress)
    try writer.write(
      description: file.content.text, source: file.tensors, ancillary: file.attachments, to: path,
      replacing: options.replacing)
  }
}
