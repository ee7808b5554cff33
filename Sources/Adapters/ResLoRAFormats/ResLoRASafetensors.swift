internal import ByteIO
internal import Safetensors
internal import Tensors

/// An adapter in one safetensors file: its description under the metadata key `reslora`
/// (Adapter in safetensors).
enum ResLoRASafetensors: AdapterFormat {
  static let name = "ResLoRA safetensors"
  /// The metadata key of the description.
  static let key = "reslora"

  static func matches(_ probe: InputProbe) throws -> Bool { text(probe) != nil }

  private static func text(_ probe: InputProbe) -> String? {
    probe.safetensors?.header.metadata.first { $0.key == key }?.value
  }

  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter? {
    guard let source = probe.safetensors, let text = text(probe) else {
      throw AdapterError.noBlocks(source: probe.path)
    }
    let other = source.header.metadata.filter { $0.key != key }
    guard
      let content = try AdapterContent(
        parsing: Array(text.utf8), metadata: other, path: probe.path, check: check)
    else { return nil }
    var keys: Set<TensorName> = []
    for (key, _) in content.metadata where !keys.insert(TensorName(key)).inserted {
      try check.broken(
        ContentError(
          path: probe.path, owner: nil, rule: "Adapter in safetensors §2",
          reason: .repeatedMetadata(key: key)))
    }
    return try content.adapter(
      path: probe.path, format: name, tensors: source, rule: "Adapter in safetensors §1",
      check: check)
  }
}

extension ResLoRASafetensors: WritableAdapterFormat {
  static let identifier = "safetensors"
  static let fileExtensions = ["safetensors"]

  static func check(_ file: AdapterFileContent, for path: String) throws {
    try file.checkDescription(for: path)
    try SafetensorsLayout(tensors: file.tensors.tensors, metadata: [(key, file.content.text)])
      .check(for: path)
  }

  static func write(_ file: AdapterFileContent, to path: String, _ options: WriteOptions) throws {
    try SafetensorsWriter.write(
      file.tensors, metadata: [(key, file.content.text)], to: path, replacing: options.replacing,
      progress: options.progress)
  }
}
