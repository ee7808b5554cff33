internal import ByteIO
public import HDF5
public import Tensors

/// Norm windows given beside an adapter that stores none (Merging §3.5).
public struct WindowsFile: Sendable {
  /// The file's path.
  public let path: String

  /// The name of the format.
  public let format: String

  private static let jsonFormat = "norm windows in JSON"

  /// What the file says of a block.
  private struct Entry {
    let block: TensorName
    let windows: NormWindows
    /// The capacity, where the file states it.
    let capacity: Int?
  }

  private let entries: [Entry]

  /// Reads a norm-window file.
  ///
  /// - Throws: `SidecarError`, errors of reading.
  public init(path: String, hdf5: HDF5Reading = .inProcess) throws {
    try self.init(InputProbe(path: path, hdf5: hdf5))
  }

  /// Reads the windows in a JSON file, in an HDF5 file of windows, or of an adapter in any format.
  package init(_ probe: InputProbe, check: RuleCheck = .throwing) throws {
    path = probe.path
    let format = WindowsFile.format(of: probe)
    if let format, probe.isJSON {
      self.format = format
      let file = try SidecarFile(path: probe.path)
      entries = try file.object.members.compactMap { block, value in
        guard try TextRules.checkName(block, of: "block", path: probe.path, check) else {
          return nil
        }
        return try check.attempt("Merging §3.5") {
          try WindowsFile.entry(of: TensorName(block), value, path: probe.path)
        }
      }
    } else if let format, let file = probe.hdf5 {
      self.format = format
      entries = try HDF5Windows.blocks(of: file, check: check).map {
        Entry(block: $0.block, windows: $0.windows, capacity: $0.windows.capacity)
      }
    } else {
      let adapter = try Adapter(probe, overrides: AdapterOverrides())
      self.format = adapter.format
      entries = adapter.blocks.filter { !$0.windows.isEmpty }.map {
        Entry(block: $0.name, windows: $0.windows, capacity: $0.windows.capacity)
      }
    }
  }

  /// Refuses a topology file, which is JSON as well.
  package static func refuseTopology(_ probe: InputProbe) throws {
    guard TopologyFile.matches(probe) else { return }
    throw SidecarError(
      path: probe.path,
      reason: .unsupported(
        "a topology file, which says nothing by itself",
        advice: "pass it beside an adapter with --topology-file"))
  }

  /// The name of the format of a file that can be nothing but norm windows; nil for others.
  package static func format(of probe: InputProbe) -> String? {
    if probe.isJSON { return jsonFormat }
    let isWindows = probe.hdf5.map { HDF5Layout.format(of: $0) } == HDF5Windows.format
    return isWindows ? "norm windows in HDF5" : nil
  }

  /// The blocks that have windows, in the order of the file. Where it states no capacity, it is 100
  /// or the length of the longest window, whichever is more.
  public var blocks: [(name: TensorName, windows: NormWindows)] {
    entries.map { ($0.block, $0.windows) }
  }

  /// Puts the windows into their blocks.
  ///
  /// - Parameter capacity: that of windows for which the file states none.
  /// - Throws: `SidecarError` for a block that is not among them, or a window over the capacity.
  func apply(to blocks: inout [Block], capacity: Int) throws(SidecarError) {
    let positions = Dictionary(blocks.enumerated().map { ($1.name, $0) }) { first, _ in first }
    for entry in entries {
      let (name, windows) = (entry.block, entry.windows)
      let capacity = entry.capacity ?? capacity
      guard let position = positions[name] else {
        let nearest = NameDistance.nearest(to: name, among: blocks.map(\.name))
        throw SidecarError(path: path, reason: .unknownBlock(name, nearest: nearest))
      }
      try WindowsFile.require(name, windows, within: capacity, path: path)
      blocks[position].windows = NormWindows(
        input: windows.input, projection: windows.projection, capacity: capacity)
    }
  }

  /// Refuses windows that are longer than the capacity that is meant where none is stated.
  func requireCapacities() throws(SidecarError) {
    for entry in entries where entry.capacity == nil {
      try WindowsFile.require(
        entry.block, entry.windows, within: NormWindows.defaultCapacity, path: path)
    }
  }

  /// Parses the windows of one block in JSON.
  private static func entry(
    of block: TensorName, _ value: JSONValue, path: String
  ) throws(SidecarError) -> Entry {
    func failure(_ reason: SidecarError.Reason) -> SidecarError {
      SidecarError(path: path, reason: reason)
    }
    guard let object = value.object else {
      throw failure(
        .badValue(key: block.string, found: "something else", expected: "an object of windows"))
    }
    for (key, _) in object.members where !["input", "projection", "capacity"].contains(key) {
      throw failure(.unknownKey("\(block.string).\(key)"))
    }
    func window(_ kind: String) throws(SidecarError) -> NormWindow {
      guard let list = object[kind], !list.isNull else { return NormWindow([]) }
      guard let elements = list.array else {
        throw failure(.badNorm(block: block, kind: kind, found: list.serialized()))
      }
      var values: [Double] = []
      for element in elements {
        guard let norm = element.number?.double, norm.isFinite, norm >= 0 else {
          throw failure(.badNorm(block: block, kind: kind, found: element.serialized()))
        }
        values.append(norm)
      }
      return NormWindow(values)
    }
    var capacity: Int?
    if let stated = object["capacity"], !stated.isNull {
      capacity = stated.number?.integer
      guard let capacity, capacity >= 1 else {
        throw failure(
          .badValue(
            key: "\(block.string).capacity", found: stated.serialized(),
            expected: "a whole number from 1 on"))
      }
    }
    let (input, projection) = (try window("input"), try window("projection"))
    let longest = max(input.values.count, projection.values.count)
    let windows = NormWindows(
      input: input, projection: projection,
      capacity: capacity ?? max(NormWindows.defaultCapacity, longest))
    try require(block, windows, within: windows.capacity, path: path)
    return Entry(block: block, windows: windows, capacity: capacity)
  }

  private static func require(
    _ name: TensorName, _ windows: NormWindows, within capacity: Int, path: String
  ) throws(SidecarError) {
    for (kind, window) in [("input", windows.input), ("projection", windows.projection)]
    where window.values.count > min(capacity, NormWindows.maximumLength) {
      throw SidecarError(
        path: path,
        reason: .windowTooLong(
          block: name, kind: kind, found: window.values.count,
          capacity: min(capacity, NormWindows.maximumLength)))
    }
  }
}
