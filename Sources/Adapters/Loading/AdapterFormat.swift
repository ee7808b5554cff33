internal import ByteIO
public import HDF5
public import Tensors

/// A format or layout that adapters are read from. Adding one is a folder of its own and a line in
/// `AdapterFormats.all`.
package protocol AdapterFormat: Sendable {
  /// The name for people and for JSON.
  static var name: String { get }

  /// Whether this is what lies at the probed path, by its content.
  static func matches(_ probe: InputProbe) throws -> Bool

  /// Reads what the source says, all headers checked and no factor loaded; with a check that collects,
  /// also checks the stored data where reading the tensors would leave a rule unchecked.
  ///
  /// - Returns: nil only where `check` noted why it can't be read.
  static func read(_ probe: InputProbe, _ check: RuleCheck) throws -> UncheckedAdapter?
}

/// The formats in the order in which they are tried.
package enum AdapterFormats {
  static let all: [any AdapterFormat.Type] = [
    PEFTFolder.self,
    MLXFolder.self,
    PublishedCheckpoint.self,
    ResLoRAContainerFormat.self,
    ResLoRAHDF5.self,
    ResLoRASafetensors.self,
    KohyaFile.self,
  ]

  /// Keys of a safetensors file's metadata that make it an adapter.
  package static let metadataKeys: Set<String> = [ResLoRASafetensors.key]

  /// The format of what lies at a path; nil where it is no adapter.
  package static func format(of probe: InputProbe) throws -> (any AdapterFormat.Type)? {
    try all.first { try $0.matches(probe) }
  }
}

extension AdapterFormats {
  /// The file of an adapter's folder that holds its tensors; nil where there is none, or where the
  /// folder is rather a checkpoint.
  package static func tensorFile(of probe: InputProbe) throws -> (any TensorSource)? {
    func tensors(_ names: [String]) throws -> (any TensorSource)? {
      guard let name = names.first(where: probe.entries.contains) else { return nil }
      return try probe.entry(name).tensors?.source
    }
    // In the order in which adapters are recognised, and a checkpoint as it is opened elsewhere.
    if try MLXFolder.matches(probe), let source = try tensors(MLXFolder.fileNames) {
      return source
    }
    if try PEFTFolder.matches(probe), let source = try tensors(PEFTFolder.fileNames) {
      return source
    }
    let isCheckpoint = probe.entries.contains {
      $0.hasSuffix(".safetensors") || $0.hasSuffix(".safetensors.index.json")
    }
    guard try PublishedCheckpoint.matches(probe) || !isCheckpoint else { return nil }
    return try tensors(PublishedCheckpoint.fileNames)
  }
}

extension Adapter {
  /// The name of the file that holds each of `storedTensors()`.
  public var tensorFiles: [String] { stored.map { Paths.name(of: $0.source.label) } }

  /// The factors under the names that their files give them, in the order of blocks and pairs.
  ///
  /// - Throws: `AdapterError.duplicateBlock` where two have one name.
  public func storedTensors() throws -> any TensorSource {
    try RenamedTensors(label: label, stored.map { ($0.info.name, $0) })
  }

  private var stored: [TensorReference] {
    blocks.flatMap { block in zip(block.a.pieces, block.b.pieces).flatMap { [$0, $1] } }
  }

  /// Reads an adapter of any known format, detected by its content.
  ///
  /// Only headers and configs are read; factors stay in their files until asked for.
  ///
  /// - Parameter hdf5: how HDF5 files are listed; a damaged one may crash a process that lists it
  ///   itself.
  /// - Throws: `AdapterError`, `ContentError`, `SidecarError`, and the errors of the formats.
  public init(
    path: String, overrides: AdapterOverrides = AdapterOverrides(),
    hdf5: HDF5Reading = .inProcess
  ) throws {
    try self.init(InputProbe(path: path, hdf5: hdf5), overrides: overrides)
  }

  package init(_ probe: InputProbe, overrides: AdapterOverrides) throws {
    if let format = try AdapterFormats.format(of: probe) {
      guard
        let found = try AdapterError.naming(probe.path, { try format.read(probe, .throwing) })
      else { preconditionFailure("a check that throws notes nothing") }
      self = try AdapterError.naming(overrides.topology?.path ?? probe.path) {
        try found.adapter(overrides)
      }
      return
    }
    if let tensors = probe.tensors?.source.tensors,
      tensors.contains(where: { PEFTKeys.parse($0.name) != nil })
    {
      throw AdapterError.unstated(
        source: probe.path, what: "rank and alpha",
        advice: "name the folder that holds it and its adapter_config.json")
    }
    throw AdapterError.notAnAdapter(source: probe.path, found: probe.summary)
  }
}
