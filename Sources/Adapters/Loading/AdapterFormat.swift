internal import ByteIO
internal import Tensors

/// A format or layout that adapters are read from. Adding one is a folder of its own and a line in
/// `AdapterFormats.all`.
protocol AdapterFormat: Sendable {
  /// The name for people and for JSON.
  static var name: String { get }

  /// Whether this is what lies at the probed path, by its content.
  static func matches(_ probe: InputProbe) throws -> Bool

  /// Reads what the source says, all headers checked and no factor loaded.
  static func describe(_ probe: InputProbe) throws -> AdapterDescription
}

/// The formats in the order in which they are tried.
enum AdapterFormats {
  static let all: [any AdapterFormat.Type] = [
    PEFTFolder.self,
    PublishedCheckpoint.self,
    ResLoRASafetensors.self,
  ]
}

extension Adapter {
  /// Reads an adapter of any known format, detected by its content.
  ///
  /// Only headers and configs are read; factors stay in their files until asked for.
  ///
  /// - Throws: `AdapterError`, `SidecarError`, and the errors of the formats.
  public init(path: String, overrides: AdapterOverrides = AdapterOverrides()) throws {
    let probe = try InputProbe(path: path)
    for format in AdapterFormats.all where try format.matches(probe) {
      self = try format.describe(probe).adapter(overrides)
      return
    }
    if let tensors = probe.tensors?.source.tensors,
      tensors.contains(where: { PEFTKeys.isFactor($0.name) })
    {
      throw AdapterError.unstated(
        source: path, what: "rank and alpha",
        advice: "name the folder that holds it and its adapter_config.json")
    }
    throw AdapterError.notAnAdapter(
      source: path,
      found: probe.kind == .folder
        ? "a folder without adapter_config.json or reslora_config.json" : "a checkpoint")
  }
}
