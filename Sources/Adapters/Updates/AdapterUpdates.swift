internal import ByteIO
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
  /// Whether it is nothing but low-rank pairs on linear layers, which `Adapter` holds as well.
  public let isPlain: Bool
  /// What only the base's shapes decide, by the position of its first update.
  private let openings: [Int: OpenUpdates]

  /// A part of the adapter: updates that are certain, or those that a base decides on.
  enum Part: Sendable {
    case certain(WeightUpdate)
    case open(OpenUpdates)
  }

  init(
    label: String, format: String, parts: [Part], notes: [String], files: [String],
    baseModel: String?, isPlain: Bool
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
      label: label, format: format, updates: updates, openings: openings, notes: notes,
      files: files, baseModel: baseModel, isPlain: isPlain)
  }

  private init(
    label: String, format: String, updates: [WeightUpdate], openings: [Int: OpenUpdates],
    notes: [String], files: [String], baseModel: String?, isPlain: Bool
  ) {
    self.label = label
    self.format = format
    self.updates = updates
    self.openings = openings
    self.notes = notes
    self.files = files
    self.baseModel = baseModel
    self.isPlain = isPlain
  }

  /// Reads an adapter of a foreign format: a PEFT folder of any kind.
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
      self = try format.updates(probe)
      return
    }
    return nil
  }

  private static let formats: [any UpdateFormat.Type] = [PEFTFolder.self]

  /// The same adapter with everything decided that a base decides: whether a layer stores its
  /// weight transposed, and which parameter a stack of experts is (Updates §4.4).
  ///
  /// Every fold must go by these updates.
  ///
  /// - Throws: `AdapterError.ambiguous` where the base's shapes leave it open.
  public func fitted(to base: any TensorSource) throws -> AdapterUpdates {
    guard !openings.isEmpty else { return self }
    let names = updates.filter { $0.naming == .dotted }.map { update in
      BaseMatch.Wanted(update)
    }
    let substitution = BaseMatch.substitution(for: names, in: base).best
    var fitted: [WeightUpdate] = []
    var next = 0
    while next < updates.count {
      if let open = openings[next] {
        fitted += try open.fitted(to: base, substitution)
        next += open.updates.count
      } else {
        fitted.append(updates[next])
        next += 1
      }
    }
    return AdapterUpdates(
      label: label, format: format, updates: fitted, openings: [:], notes: notes, files: files,
      baseModel: baseModel, isPlain: isPlain)
  }
}

/// A format whose adapters are read as updates.
protocol UpdateFormat: Sendable {
  /// Whether this is what lies at the probed path, by its content.
  static func matches(_ probe: InputProbe) throws -> Bool
  /// Reads what lies there.
  static func updates(_ probe: InputProbe) throws -> AdapterUpdates
}
