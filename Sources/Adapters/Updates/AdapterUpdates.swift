public import HDF5
public import Tensors

/// An adapter of a foreign format as what it does to the tensors of a base (Updates §1).
///
/// Headers and configs are read and checked at once; the elements when an update is loaded.
public struct AdapterUpdates: Sendable {
  /// What to call the adapter in messages, usually its path.
  public let label: String
  /// The name of its format.
  public let format: String
  /// What it does, module by module in their order, as far as that is known without the base.
  public let updates: [WeightUpdate]
  /// What the reader concluded and a user should know, one line each.
  public let notes: [String]
  /// The paths of the files read.
  public let files: [String]
  /// Name or path of the base model, for people; nil where unknown. Never opened.
  public let baseModel: String?
  /// Its tensors as they are stored.
  public let tensors: any TensorSource
  /// The first thing in it that is no low-rank pair on a linear layer, in words, and where; nil for a
  /// plain LoRA, which `Adapter` holds as well.
  let firstNotPlain: (kind: String, module: TensorName)?
  /// Whether modules go by names with underscores for dots, which only a base tells apart.
  public var isFlattened: Bool { updates.contains { $0.naming == .flattened } }
  /// What only the base's shapes decide, by the position of its first update.
  let openings: [Int: OpenUpdates]

  /// A part of the adapter: updates that are certain, or those that a base decides on.
  enum Part: Sendable {
    case certain(WeightUpdate)
    case open(OpenUpdates)
  }

  init(
    label: String, format: String, parts: [Part], tensors: any TensorSource, config: String?,
    notes: [String], baseModel: String?, firstNotPlain: (kind: String, module: TensorName)?
  ) {
    var updates: [WeightUpdate] = []
    var openings: [Int: OpenUpdates] = [:]
    for part in parts {
      switch part {
      case .certain(let update): updates.append(update)
      case .open(let open):
        openings[updates.count] = open
        updates += open.updates
      }
    }
    self.init(
      label: label, format: format, updates: updates, openings: openings,
      tensors: tensors, notes: notes, files: (config.map { [$0] } ?? []) + [tensors.label],
      baseModel: baseModel, firstNotPlain: firstNotPlain)
  }

  init(
    label: String, format: String, updates: [WeightUpdate], openings: [Int: OpenUpdates],
    tensors: any TensorSource, notes: [String], files: [String], baseModel: String?,
    firstNotPlain: (kind: String, module: TensorName)?
  ) {
    self.label = label
    self.format = format
    self.updates = updates
    self.openings = openings
    self.tensors = tensors
    self.notes = notes
    self.files = files
    self.baseModel = baseModel
    self.firstNotPlain = firstNotPlain
  }

  /// Reads an adapter of a foreign format: a PEFT folder of any kind, an MLX folder,
  /// a kohya file.
  ///
  /// - Returns: nil where something else lies there, such as an adapter of a format of ours or a
  ///   published ResLoRA checkpoint, which are merged before they are folded.
  /// - Throws: `AdapterError`, `SidecarError`, and the errors of the formats.
  public init?(path: String, hdf5: HDF5Reading = .inProcess) throws {
    try self.init(InputProbe(path: path, hdf5: hdf5))
  }

  /// Reads what was probed; nil where it is no adapter of a foreign format.
  package init?(_ probe: InputProbe) throws {
    for format in AdapterUpdates.formats where try format.matches(probe) {
      self = try AdapterError.naming(probe.path) { try format.updates(probe) }
      return
    }
    return nil
  }

  private static let formats: [any UpdateFormat.Type] = [
    MLXFolder.self, PEFTFolder.self, KohyaFile.self,
  ]
}

extension AdapterUpdates {
  /// Whether it is nothing but low-rank pairs on linear layers, which `Adapter` holds as well.
  public var isPlain: Bool { firstNotPlain == nil }

  /// What says that only a fold takes it; nil for a plain LoRA.
  public var foldOnly: AdapterError? {
    firstNotPlain.map { .foldOnly(source: label, kind: $0.kind, module: $0.module) }
  }
}

/// A format whose adapters are read as updates.
protocol UpdateFormat: Sendable {
  /// Whether this is what lies at the probed path, by its content.
  static func matches(_ probe: InputProbe) throws -> Bool
  /// Reads what lies there.
  static func updates(_ probe: InputProbe) throws -> AdapterUpdates
}
